import { expect, it } from 'vitest';
import { MAX_IDS_PER_HINT } from './hint.ts';
import type { Hint } from './hint.ts';
import { decodeHint, encodeHint } from './postgres.ts';

const id = (n: number) => `1111ffff-1111-7111-8111-${String(n).padStart(12, '0')}`;

it('gives back the hint that was encoded', () => {
  const hint: Hint = {
    instanceId: id(1),
    n: 5,
    sessions: [id(2), id(3)],
    pools: ['reason', 'tool'],
    cancelled: [id(4)],
    opened: ['llm:a'],
    text: { through: 9, sessions: [id(2)], partial: true },
  };
  expect(decodeHint(encodeHint(hint))).toEqual(hint);
  const bare: Hint = { instanceId: id(1), n: 6, sessions: [], pools: [], cancelled: [], opened: [], text: null };
  expect(decodeHint(encodeHint(bare))).toEqual(bare);
});

it('keeps the fullest hint below the 8,000 bytes of a notification', () => {
  const ids = Array.from({ length: MAX_IDS_PER_HINT }, (_, n) => id(n));
  const longest: Hint = {
    instanceId: id(1),
    n: Number.MAX_SAFE_INTEGER,
    sessions: ids,
    pools: ['reason', 'tool'],
    cancelled: [],
    opened: [],
    text: { through: Number.MAX_SAFE_INTEGER, sessions: [], partial: true },
  };
  expect(Buffer.byteLength(encodeHint(longest))).toBeLessThan(8_000);
});

it.each(['', 'null', '7', '[]', '{"i":3,"n":1}', '{"i":"abc"}', '{"i":"abc","n":1.5}'])('ignores the foreign payload %j', (payload) => {
  expect(decodeHint(payload)).toBeNull();
});

it('drops the parts of a payload that have the wrong type', () => {
  expect(decodeHint('{"i":"ERERERERcRGBEQAAAAAAAQ","n":1,"s":"x","p":["cooks",1],"t":{"through":1}}')).toMatchObject({
    sessions: [],
    pools: [],
    text: null,
  });
});
