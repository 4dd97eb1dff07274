/** `stepSeconds` as `step_seconds`: between code, configuration, metrics and plots, names change only their case. */
export const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** `step_seconds` as `stepSeconds`. */
export const camelCase = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/** `top_k` as `top-k`: a field as its command-line flag. */
export const dashed = (name: string): string => name.replaceAll('_', '-');

/** `top-k` as `top_k`: a flag as the field that it sets. */
export const underscored = (name: string): string => name.replaceAll('-', '_');
