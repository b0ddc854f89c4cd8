import type { AgentItem, Block, Item, ThinkingItem } from './conversation-types.ts';

/** A block while a portion of events is worked in. */
export class BlockDraft {
  /** Its place among the blocks. */
  readonly index: number;
  readonly block: Block;
  readonly #items: Item[];
  readonly #places = new Map<string, number>();
  /** Keys of what is being written or run. */
  readonly #open = new Set<string>();
  #hasHoles = false;

  constructor(block: Block, index: number) {
    this.index = index;
    this.#items = [...block.items];
    this.block = { ...block };
    this.#items.forEach((item, place) => {
      this.#places.set(item.key, place);
      if (isOpen(item)) this.#open.add(item.key);
    });
  }

  find<K extends Item['kind']>(kind: K, key: string): Extract<Item, { kind: K }> | undefined {
    const item = this.#items[this.#places.get(key) ?? -1];
    return item?.kind === kind ? (item as Extract<Item, { kind: K }>) : undefined;
  }

  hasAny(kind: Item['kind']): boolean {
    return this.#items.some((item) => item.kind === kind);
  }

  last<K extends Item['kind']>(kind: K): Extract<Item, { kind: K }> | undefined {
    return this.#items.findLast((item): item is Extract<Item, { kind: K }> => item.kind === kind);
  }

  /** What is being written or run. */
  open(): readonly Item[] {
    return [...this.#open].map((key) => this.#items[this.#places.get(key) as number] as Item);
  }

  /** The answer that is being written. */
  answer(): AgentItem | undefined {
    return this.open().findLast((item): item is AgentItem => item.kind === 'agent');
  }

  /** Replaces the item with this key, or adds it at the end. */
  put(item: Item): void {
    const place = this.#places.get(item.key);
    if (place !== undefined) this.#items[place] = item;
    else this.#places.set(item.key, this.#items.push(item) - 1);
    if (isOpen(item)) this.#open.add(item.key);
    else this.#open.delete(item.key);
  }

  drop(key: string): void {
    this.#open.delete(key);
    this.#hasHoles = this.#places.delete(key) || this.#hasHoles;
  }

  dropUnfinishedText(kinds: readonly (AgentItem | ThinkingItem)['kind'][], butNot?: string): void {
    for (const { kind, key } of this.open()) if (key !== butNot && (kinds as readonly string[]).includes(kind)) this.drop(key);
  }

  done(): Block {
    if (!this.#hasHoles) return { ...this.block, items: this.#items };
    return { ...this.block, items: this.#items.filter(({ key }, place) => this.#places.get(key) === place) };
  }
}

const OVER: ReadonlySet<string> = new Set(['success', 'error', 'timeout', 'cancelled']);

function isOpen(item: Item): boolean {
  if (item.kind === 'agent') return item.state === 'streaming';
  if (item.kind === 'thinking') return item.isStreaming;
  return item.kind === 'tool' && !OVER.has(item.state);
}
