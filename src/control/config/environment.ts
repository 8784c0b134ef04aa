// ${VAR} and ${VAR:-default} in the strings of the configuration. Names are upper case, so that ${host} and ${uri} of a
// `respond.location` stay what they are; $${VAR} is the text itself.

export interface Substitution {
  readonly text: string;
  /** Variables that are not set and have no default. */
  readonly unset: readonly string[];
  /** Things that begin like a variable and are none, as written. */
  readonly malformed: readonly string[];
  readonly isChanged: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const PLACEHOLDER = /(\$?)\$\{([A-Z_][A-Z0-9_]*)(?::-([^}]*)|([^}]*))(\}|$)/g;

/** One pass: what a variable holds is not looked into again. An empty variable takes its default, as in a shell. Never throws. */
export function substitute(text: string, env: Environment): Substitution {
  const unset: string[] = [];
  const malformed: string[] = [];
  const out = text.replace(
    PLACEHOLDER,
    (
      all: string,
      escaped: string,
      key: string,
      fallback: string | undefined,
      rest: string | undefined,
      end: string,
    ) => {
      if (escaped !== '') return all.slice(1);
      // The first brace ends it, so that a default with a variable in it would be cut.
      if (rest || end === '' || fallback?.includes('${')) {
        malformed.push(all);
        return all;
      }
      const value = env[key];
      if (fallback !== undefined) return value || fallback;
      if (value === undefined) unset.push(key);
      return value ?? '';
    },
  );
  return { text: out, unset, malformed, isChanged: out !== text };
}
