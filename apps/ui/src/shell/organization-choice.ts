/** Which organization a page is to be of: the one that is chosen, another one (`enter`), or none because there is none. */
export type Choice = { kind: 'stay' } | { kind: 'enter'; id: string } | { kind: 'none' };

/** Who is in several has to have one chosen: the server does not guess. */
export function choiceOf(organizations: readonly { public_id: string }[], chosen: string | undefined): Choice {
  const [first] = organizations;
  if (first === undefined) return { kind: 'none' };
  const isSettled = chosen === undefined ? organizations.length === 1 : organizations.some(({ public_id: id }) => id === chosen);
  return isSettled ? { kind: 'stay' } : { kind: 'enter', id: first.public_id };
}
