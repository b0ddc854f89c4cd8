/**
 * Loaded into each child before its own code (`node --import`): ends the child when its parent has gone, however that ended, and tells the
 * parent once a second that the event loop still turns. Without a parent that listens it does nothing.
 */
const BEAT_MS = 1_000;

if (process.channel !== undefined) {
  process.on('disconnect', () => process.exit(1));
  process.channel.unref(); // a listener would keep the child alive for ever
  setInterval(() => {
    if (process.connected) process.send?.({ everruns: 'beat' });
  }, BEAT_MS).unref();
}
