import { expect, it } from 'vitest';
import { OpenTexts } from './open-texts.ts';

const started = { type: 'output.message.started' as const, data: {} };
const thinking = { type: 'reason.thinking.started' as const, data: {} };
const thought = { type: 'reason.thinking.completed' as const, data: {} };
const delta = (stream: 'output' | 'thinking', offset: number, text: string) => ({ stream, messageId: 'm', offset, text });

it('gives each open text as one delta from its beginning', () => {
  const texts = new OpenTexts();
  texts.noteEvents([thinking], 1);
  texts.noteDelta(delta('thinking', 0, 'Hm'));
  texts.noteDelta(delta('thinking', 2, ', yes'));
  expect(texts.whole()).toEqual([delta('thinking', 0, 'Hm, yes')]);
  texts.noteEvents([thought, started], 2);
  texts.noteDelta(delta('output', 0, 'So'));
  expect(texts.whole()).toEqual([delta('output', 0, 'So')]);
  expect([texts.isOpenedBy(1), texts.isOpenedBy(2)]).toEqual([false, true]);
});

it('begins anew with the next episode', () => {
  const texts = new OpenTexts();
  texts.noteEvents([thinking], 1);
  texts.noteDelta(delta('thinking', 0, 'One'));
  texts.noteEvents([thought], 2);
  texts.noteEvents([thinking], 3);
  texts.noteDelta(delta('thinking', 0, 'Two'));
  expect(texts.whole()).toEqual([delta('thinking', 0, 'Two')]);
});
