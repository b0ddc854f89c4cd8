/**
 * What an installation lacks, decided from the two files that npm itself keeps: `package-lock.json` and the record of what really is
 * in `node_modules`. Modification times would lie after a clone or a branch change.
 */

/**
 * @param {import('./install-state.mjs').Lock} wanted `package-lock.json`
 * @param {import('./install-state.mjs').Lock | undefined} installed `node_modules/.package-lock.json`; npm writes it last, so an interrupted installation has none
 * @param {{ omitDev: boolean }} options
 * @returns {string[]} the folders that are missing or of another version
 */
export function missingPackages(wanted, installed, { omitDev }) {
  const present = installed?.packages ?? {};
  return Object.entries(wanted.packages ?? {})
    .filter(([path]) => path.startsWith('node_modules/'))
    .filter(([path, entry]) => isMissing(entry, present[path], omitDev))
    .map(([path]) => path);
}

/** An absent optional package is no fault: most of them are for other platforms. One of the wrong version is. */
function isMissing(entry, found, omitDev) {
  if (found !== undefined) return found.version !== entry.version;
  if (entry.optional === true || entry.devOptional === true) return false;
  return !(omitDev && entry.dev === true);
}

/**
 * True when development packages are installed: an installation must not take them away again.
 *
 * @param {import('./install-state.mjs').Lock} wanted
 * @param {import('./install-state.mjs').Lock | undefined} installed
 */
export function hasDevelopmentPackages(wanted, installed) {
  const present = installed?.packages ?? {};
  return Object.entries(wanted.packages ?? {}).some(([path, entry]) => entry.dev === true && path in present);
}
