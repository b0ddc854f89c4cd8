import type { Controls, ModelProfile } from '@everruns/contract';
import { UNKNOWN_FAMILY } from './lookup.ts';

export interface SupportedControls {
  controls: Controls;
  /** Names of the settings that the model does not have and that are therefore not sent. */
  dropped: ('reasoning.effort' | 'speed' | 'verbosity')[];
}

/**
 * A message's controls as far as the model has them; the rest is left out, and said. A model of which nothing is known gets everything: only
 * its provider can tell.
 */
export function supportedControls(profile: ModelProfile | undefined, controls: Controls): SupportedControls {
  const { reasoning, speed, verbosity, ...rest } = controls;
  const kept: Controls = rest;
  const dropped: SupportedControls['dropped'] = [];
  if (reasoning !== undefined) {
    if (reasoning.effort === undefined || hasEffort(profile, reasoning.effort)) kept.reasoning = reasoning;
    else dropped.push('reasoning.effort');
  }
  if (speed !== undefined) {
    if (profile?.speed?.values.some(({ value }) => value === speed) ?? isUnknown(profile)) kept.speed = speed;
    else dropped.push('speed');
  }
  if (verbosity !== undefined) {
    if (profile?.verbosity?.values.includes(verbosity) ?? isUnknown(profile)) kept.verbosity = verbosity;
    else dropped.push('verbosity');
  }
  return { controls: kept, dropped };
}

/** `none` asks for nothing and is therefore always possible. */
function hasEffort(profile: ModelProfile | undefined, effort: NonNullable<NonNullable<Controls['reasoning']>['effort']>): boolean {
  if (profile === undefined || effort === 'none') return true;
  return profile.reasoning && (profile.reasoning_effort?.values.some(({ value }) => value === effort) ?? true);
}

/** The rest of the profile is then what an organization has written down, which need not be all. */
function isUnknown(profile: ModelProfile | undefined): boolean {
  return profile === undefined || profile.family === UNKNOWN_FAMILY;
}
