/**
 * The value of an option as a command line has it: JSON, else a string. What can only be a string is one, also where it reads like a
 * number: `logging.name=42`. `type`: of the option, as its row has it.
 */
export function parseValue(text: string, type: string): unknown {
  const value = parsedOr(text);
  const isText = type === 'string' || type === 'string or null';
  return isText && typeof value !== 'string' && value !== null ? text : value;
}

function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
