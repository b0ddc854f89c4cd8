/** What a run found wrong: the first violation ends it. */
export class Violations {
  first: string | null = null;

  report(text: string): void {
    this.first ??= text;
  }

  check(holds: boolean, text: () => string): void {
    if (!holds) this.report(text());
  }
}
