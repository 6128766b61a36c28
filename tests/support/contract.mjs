// api/openapi.json as a judge of answers: the part of JSON Schema that it uses, and nothing allowed beside it.

import { readFileSync } from 'node:fs';

export const contract = JSON.parse(readFileSync(new URL('../../api/openapi.json', import.meta.url)));

const kindOf = (value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value);

function resolved(schema) {
  const found = schema.$ref ? schema.$ref.slice(2).split('/').reduce((at, key) => at[key], contract) : schema;
  if (!found.allOf) return found;
  const parts = [...found.allOf.map(resolved), found];
  return { ...found, allOf: undefined, type: 'object', properties: Object.assign({}, ...parts.map((each) => each.properties)), required: parts.flatMap((each) => each.required ?? []) };
}

/** What in `value` is not as `schema` says, as lines of words; empty: nothing. Members that the schema does not name are faults. */
export function faults(value, schema, path = '$') {
  const { type, enum: choices, oneOf, properties, required = [], items, pattern, format, additionalProperties } = resolved(schema);
  if (oneOf) {
    const tried = oneOf.map((each) => faults(value, each, path));
    return tried.some((each) => each.length === 0) ? [] : tried.flat();
  }
  const kind = kindOf(value);
  const kinds = [type ?? []].flat();
  if (kinds.length > 0 && !kinds.includes(kind) && !(kind === 'integer' && kinds.includes('number'))) return [`${path} is ${kind} instead of ${kinds.join(' or ')}`];
  if (value === null) return [];
  if (choices && !choices.includes(value)) return [`${path} is ${JSON.stringify(value)}, none of ${choices.join(', ')}`];
  if (kind === 'string' && pattern && !new RegExp(pattern, 'u').test(value)) return [`${path} does not match ${pattern}`];
  if (kind === 'string' && format === 'date-time' && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)) return [`${path} is no time: ${value}`];
  if (kind === 'array') return items ? value.flatMap((each, n) => faults(each, items, `${path}[${n}]`)) : [];
  if (kind !== 'object' || !properties) return [];
  return [
    ...required.filter((name) => !(name in value)).map((name) => `${path}.${name} is missing`),
    ...Object.entries(value).flatMap(([name, each]) =>
      properties[name] ? faults(each, properties[name], `${path}.${name}`) : additionalProperties ? [] : [`${path}.${name} is not in the contract`]),
  ];
}

/** The schema of the answer that `method` on `path` (as the contract writes it) gives with `status`. */
export function answerSchema(method, path, status = 200) {
  const answer = resolved(contract.paths[path][method.toLowerCase()].responses[String(status)]);
  return answer.content['application/json'].schema;
}
