interface Link {
  id: string;
  parent_harness_id?: string;
}

/** From the nearest parent to the last one; ends where a chain would begin anew. */
export function chainOf<T extends Link>(all: readonly T[], firstId: string): readonly T[] {
  const chain: T[] = [];
  for (let id: string | undefined = firstId; id !== undefined;) {
    const one: T | undefined = all.find((each) => each.id === id);
    if (one === undefined || chain.includes(one)) break;
    chain.push(one);
    id = one.parent_harness_id;
  }
  return chain;
}
