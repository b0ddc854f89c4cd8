import { createModelRegistry, loadDriverModules } from '@everruns/providers';

const drivers = await loadDriverModules([`${import.meta.dirname}/driver.ts`]);
const model = createModelRegistry({ drivers }).open({ providerType: 'shout', model: 'loud' });
const request = { messages: [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'is anybody there?' }] }], tools: [] };

for await (const part of model.stream(request, new AbortController().signal)) {
  if (part.type === 'text') process.stdout.write(part.delta);
}
process.stdout.write('\n');
