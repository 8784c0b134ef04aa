// Text for terminals.

const WIDTH = 110;

/** Lines of at most 110 columns, each behind `indent`; line ends of the text are kept. */
export function wrapped(text: string, indent: string): string {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = indent;
    for (const word of paragraph.split(' ')) {
      if (line.length + word.length + 1 > WIDTH && line !== indent) {
        lines.push(line);
        line = indent;
      }
      line += line === indent ? word : ` ${word}`;
    }
    lines.push(line);
  }
  return lines.join('\n');
}
