/** A worker that does nothing, and on SIGUSR2 loses itself in code that never returns. */
setInterval(() => undefined, 60_000);
process.on('SIGUSR2', () => {
  for (;;);
});
process.on('SIGTERM', () => {
  console.log(JSON.stringify({ level: 40, msg: 'drained' }));
  process.exit(0);
});
console.log(JSON.stringify({ level: 40, msg: 'standing by' }));
