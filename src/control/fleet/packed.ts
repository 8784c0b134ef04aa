// Plain data as JSON can carry it (NaN and Infinity, typed arrays), and back into an object of the same shape. What is read
// back comes from another process, maybe of another version: it is taken only where it has exactly the shape we have.

/** As JSON carries it. */
export type Packed = null | boolean | number | string | readonly Packed[] | { readonly [field: string]: Packed };

const ODD = { NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY, '-Infinity': Number.NEGATIVE_INFINITY } as const;
/** Of lists and texts; what we keep of an endpoint is short. */
const MAX_LIST = 64;
const MAX_TEXT = 1024;

type Fields = Record<string, unknown>;

/** Numbers, texts, booleans, null, arrays of them, Float64Array, and objects of these. */
export function packed(value: unknown): Packed {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Float64Array) return base64Of(value);
  if (Array.isArray(value)) return value.map(packed);
  if (typeof value !== 'object' || value === null) return value as Packed;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, packed(field)]));
}

/** Whether `given` has the shape of `own`. What is null in `own` may be a text. */
export function hasShape(own: unknown, given: unknown): boolean {
  if (typeof own === 'number') return isNumber(given);
  if (own === null) return given === null || isText(given);
  if (own instanceof Float64Array) return float64sOf(given)?.length === own.length;
  if (Array.isArray(own)) return Array.isArray(given) && given.length <= MAX_LIST && given.every(isNumber);
  if (typeof own === 'string') return isText(given);
  if (typeof own !== 'object') return typeof given === typeof own;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return false;
  const names = Object.keys(own);
  return (
    Object.keys(given).length === names.length &&
    names.every((name) => Object.hasOwn(given, name) && hasShape((own as Fields)[name], (given as Fields)[name]))
  );
}

/** Sets every field of `own` to what `given` says, which `hasShape`; arrays and objects in it stay the same ones. */
export function unpackInto(own: object, given: object): void {
  const into = own as Fields;
  for (const [name, field] of Object.entries(given)) {
    const before = into[name];
    if (typeof before === 'number') into[name] = numberOf(field);
    else if (before instanceof Float64Array) before.set(float64sOf(field)!);
    else if (Array.isArray(before)) before.splice(0, before.length, ...(field as unknown[]).map(numberOf));
    else if (typeof before === 'object' && before !== null) unpackInto(before, field as object);
    else into[name] = field;
  }
}

export function base64Of({ buffer, byteOffset, byteLength }: Float64Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

/** null = it is none. */
export function float64sOf(given: unknown): Float64Array | null {
  if (typeof given !== 'string') return null;
  const bytes = Buffer.from(given, 'base64');
  return bytes.length % 8 === 0 ? new Float64Array(new Uint8Array(bytes).buffer) : null;
}

export function isText(given: unknown): given is string {
  return typeof given === 'string' && given.length <= MAX_TEXT;
}

function isNumber(given: unknown): boolean {
  return typeof given === 'number' || (typeof given === 'string' && Object.hasOwn(ODD, given));
}

function numberOf(given: unknown): number {
  return typeof given === 'number' ? given : ODD[given as keyof typeof ODD];
}
