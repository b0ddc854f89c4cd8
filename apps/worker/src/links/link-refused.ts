/** The control plane was reached and does not want this worker; trying again with the same credentials is no use. */
export class LinkRefused extends Error {
  override readonly name = 'LinkRefused';
}
