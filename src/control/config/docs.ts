// docs/configuration.md, written from the JSON Schema, so that the page cannot say anything else than the checks do.

import { jsonSchema } from './schema.ts';

/** The parts of JSON Schema that zod writes for our schema. */
interface Json {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Json>>;
  readonly additionalProperties?: Json | boolean;
  readonly items?: Json;
  readonly anyOf?: readonly Json[];
  readonly required?: readonly string[];
  readonly $comment?: string;
}

const INTRO = `# Configuration

Written by \`fermat config docs\` from the schema; change it there. \`fermat config schema\` prints the JSON Schema for editors,
\`fermat config show -c FILE\` the effective configuration, \`fermat validate -c FILE\` every problem of a file at once.

- YAML or JSON, UTF-8. Unknown and duplicate keys are errors.
- Durations: a number with \`ms\`, \`s\`, \`m\` or \`h\`, from 1ms to 168h. Sizes: bytes, or a number with \`KiB\`, \`MiB\` or \`GiB\`.
- \`\${VAR}\` and \`\${VAR:-default}\` in strings are the environment's (upper case; \`$\${VAR}\` is the text itself). A variable
  without a value or a default is an error; a default holds no variable. Inside \`{ }\` and \`[ ]\` such strings need quotes.
- \`FERMAT_LOG_LEVEL\`, \`FERMAT_ADMIN_TOKEN\` and \`FERMAT_ADMIN_ADDRESS\` win over the file, flags over them.
- Paths of files start from the directory of the configuration.
- Paths of routes are written as requests have them: \`/caf%C3%A9\`, \`/a%20b\`.
- IPv4-mapped IPv6 addresses are their IPv4 addresses.
- Anchors, aliases and \`<<\` work.
- Without a file, \`--listen\` and \`--upstream\` are a whole configuration: one pool \`upstream\`, one route \`/\`; probes then take
  any status from 200 to 499 for alive.
`;

/** Markdown; ends with a line break. */
export function configurationPage(): string {
  const root = jsonSchema() as Json;
  const sections = Object.entries(root.properties ?? {}).map(([key, schema]) => sectionOf(key, schema, root));
  return `${INTRO}\n${sections.join('\n')}`;
}

function sectionOf(key: string, schema: Json, root: Json): string {
  const isRequired = root.required?.includes(key) ?? false;
  const rows: string[] = [];
  const inner = innerOf(key, schema);
  if (inner === null) rows.push(rowOf(key, schema, isRequired));
  else rowsOf(inner.path, inner.schema, rows);
  const lead = `${schema.description ?? ''}${isRequired ? ' (required)' : ''}`;
  return [`## ${key}`, '', `${lead}.`, '', '| key | value | default | |', '|---|---|---|---|', ...rows, ''].join('\n');
}

function rowsOf(path: string, { properties = {}, required = [] }: Json, rows: string[]): void {
  for (const [key, schema] of Object.entries(properties)) {
    const at = `${path}.${key}`;
    const inner = innerOf(at, schema);
    const hasText = formsOf(schema).some(({ $comment }) => $comment !== undefined);
    if (inner === null || hasText) rows.push(rowOf(at, schema, required.includes(key)));
    if (inner !== null) rowsOf(inner.path, inner.schema, rows);
  }
}

/** Of a value that may be written in several ways. */
function formsOf({ anyOf = [] }: Json): readonly Json[] {
  return anyOf.flatMap((form) => (form.anyOf === undefined ? [form] : formsOf(form)));
}

/** Where the keys of an object, a list of objects or a map of objects are; null for a plain value. */
function innerOf(path: string, schema: Json): { readonly path: string; readonly schema: Json } | null {
  if (schema.properties !== undefined) return { path, schema };
  const element = schema.items;
  if (element?.properties !== undefined) return { path: `${path}[]`, schema: element };
  const value = schema.additionalProperties;
  if (typeof value === 'object' && value.properties !== undefined) return { path: `${path}.NAME`, schema: value };
  const filled = formsOf(schema).find(({ properties }) => properties !== undefined);
  return filled === undefined ? null : { path, schema: filled };
}

function rowOf(path: string, schema: Json, isRequired: boolean): string {
  const fallback = isRequired
    ? 'required'
    : schema.default === undefined
      ? ''
      : `\`${JSON.stringify(schema.default)}\``;
  return `| \`${path}\` | ${cell(valueText(schema))} | ${cell(fallback)} | ${cell(schema.description ?? '')} |`;
}

function valueText(schema: Json): string {
  if (schema.$comment !== undefined) return schema.$comment.replace(' with ms, s, m or h, such as 250ms or 2s', '');
  if (schema.properties !== undefined) return 'the keys below';
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(valueText).join(', or ');
  if (schema.items !== undefined) return `list: ${valueText(schema.items)}`;
  if (typeof schema.additionalProperties === 'object') return `name: ${valueText(schema.additionalProperties)}`;
  return schema.type === 'boolean' ? '`true`, `false`' : [schema.type ?? ''].flat().join(' or ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').trim();
}
