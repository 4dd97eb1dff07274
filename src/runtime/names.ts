/** `stepSeconds` as `step_seconds`: between code, configuration, metrics and plots, names change only their case. */
export const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
