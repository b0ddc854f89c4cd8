import type { OutputVerdict, OutputWatch } from '@everruns/agent/hooks/hooks';

/** What stands before new text is looked at again so far back, because a match may have begun there. */
const OVERLAP_CHARS = 2_048;
/** Up to this length the whole text is looked at once more at its end, for what only then is complete. */
const MAX_WHOLE_CHARS = 65_536;

/** Something to look for in an answer while it is written. */
export interface Seeker {
  matches(text: string): boolean;
  verdict: OutputVerdict;
  /** Called instead of the verdict where a match is only noted. */
  onNoted?: () => void;
}

/** Looks for all of them in new text and what stands just before it, so that the cost of an answer grows with its length only. */
export function seekingWatch(seekers: readonly Seeker[], events: NonNullable<OutputWatch['events']>): OutputWatch {
  const noted = new Set<Seeker>();
  return {
    check(text, from, isWhole) {
      const look = isWhole && text.length <= MAX_WHOLE_CHARS ? text : text.slice(Math.max(0, from - OVERLAP_CHARS));
      for (const seeker of seekers) {
        if (noted.has(seeker) || !seeker.matches(look)) continue;
        if (seeker.onNoted === undefined) return seeker.verdict;
        noted.add(seeker);
        seeker.onNoted();
      }
      return null;
    },
    events,
  };
}
