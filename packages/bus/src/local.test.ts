import { busSuite } from './bus.suite.ts';
import { createLocalExchange } from './local.ts';

busSuite('one process', async () => {
  const exchange = createLocalExchange();
  return { join: async () => exchange.transport(), close: async () => undefined };
});
