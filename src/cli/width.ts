// How many places text takes on a terminal. Chinese, Japanese, Korean and pictures take two, marks that stand on another
// character none; all else takes one. Ambiguous ones are taken for narrow, as terminals do outside East Asia.
// Source: Unicode Standard Annex 11, "East Asian Width".

const ONE_EACH = /^[\x20-\x7e]*$/;
const NONE = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const PICTURE = /^\p{Emoji_Presentation}$/u;
/** First and last, in order. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x20000, 0x3fffd],
];

export function widthOf(text: string): number {
  if (ONE_EACH.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += placesOf(character);
  return width;
}

/** As much of the beginning as takes no more than `width`; never half a character. */
export function startOf(text: string, width: number): string {
  let left = width;
  let start = '';
  for (const character of text) {
    left -= placesOf(character);
    if (left < 0) break;
    start += character;
  }
  return start;
}

function placesOf(character: string): 0 | 1 | 2 {
  const code = character.codePointAt(0)!;
  if (code < 0x300) return code === 0xad ? 0 : 1;
  if (NONE.test(character)) return 0;
  return WIDE.some(([first, last]) => code >= first && code <= last) || PICTURE.test(character) ? 2 : 1;
}
