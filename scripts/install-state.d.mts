export interface LockEntry {
  version?: string;
  link?: boolean;
  dev?: boolean;
  optional?: boolean;
  devOptional?: boolean;
}
export interface Lock {
  packages?: Record<string, LockEntry>;
}
export function missingPackages(wanted: Lock, installed: Lock | undefined, options: { omitDev: boolean }): string[];
export function hasDevelopmentPackages(wanted: Lock, installed: Lock | undefined): boolean;
