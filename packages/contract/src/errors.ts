/**
 * The one error class. Its code is stable and public: a client may switch on it. Status and title come from one table, so REST, gRPC,
 * the documentation and the tests cannot disagree.
 */
interface CodeSpec {
  status: number;
  title: string;
}

export const ERROR_CODES = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  malformed_id: { status: 400, title: 'The id is not valid' },
  unknown_event_type: { status: 400, title: 'The event type is not known' },
  unknown_cursor: { status: 400, title: 'The cursor does not belong to this session' },
  conflicting_parameters: { status: 400, title: 'The parameters exclude each other' },
  unknown_tool_call: { status: 400, title: 'No such tool call is waiting for a result' },
  unknown_capability: { status: 400, title: 'The capability is not known' },
  capability_unavailable: { status: 400, title: 'The capability is not offered by this deployment' },
  invalid_capability_config: { status: 400, title: 'The configuration of the capability is not valid' },
  dependency_cycle: { status: 400, title: 'Parts depend on each other in a circle' },
  too_many_capabilities: { status: 400, title: 'Too many capabilities are active' },
  duplicate_tool: { status: 400, title: 'Two tools have the same name' },
  cyclic_parent: { status: 400, title: 'A harness would descend from itself' },
  unknown_model: { status: 400, title: 'The model is not known' },
  provider_key_missing: { status: 400, title: 'The provider has no key' },
  provider_key_invalid: { status: 400, title: 'The provider refused the key' },
  dependency_archived: { status: 400, title: 'A part that this depends on is archived' },
  built_in: { status: 400, title: 'Built-in resources cannot be changed' },
  not_a_directory: { status: 400, title: 'Not a directory' },
  is_a_directory: { status: 400, title: 'A directory' },
  directory_not_empty: { status: 400, title: 'The directory is not empty' },
  invalid_image: { status: 400, title: 'The image cannot be used' },
  invalid_pattern: { status: 400, title: 'The pattern cannot be used' },
  turn_limit_reached: { status: 400, title: 'Too many running turns' },
  encryption_unavailable: { status: 400, title: 'No encryption key is configured' },
  invalid_change_reason: { status: 400, title: 'The reason of the change cannot be stored' },
  unsupported_pat_scopes: { status: 400, title: 'There is no such scope of a token' },
  invalid_account_token: { status: 400, title: 'The link cannot be used' },
  invalid_login_code: { status: 400, title: 'The code of the login cannot be used' },
  organization_required: { status: 400, title: 'No organization is chosen' },
  unauthenticated: { status: 401, title: 'No valid credential' },
  login_not_offered: { status: 403, title: 'This way to log in is not offered' },
  signup_closed: { status: 403, title: 'Nobody can sign up' },
  forbidden: { status: 403, title: 'Not allowed' },
  email_not_verified: { status: 403, title: 'The e-mail address is not verified' },
  file_read_only: { status: 403, title: 'The file is read-only' },
  not_found: { status: 404, title: 'Not found' },
  not_in_this_version: { status: 404, title: 'Not part of this version' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  already_exists: { status: 409, title: 'There is something at this path already' },
  content_changed: { status: 409, title: 'The content is another one by now' },
  email_taken: { status: 409, title: 'The address has an account' },
  name_taken: { status: 409, title: 'The name is taken' },
  resource_limit_reached: { status: 409, title: 'The limit of this resource is reached' },
  not_waiting_for_tool_results: { status: 409, title: 'The session is not waiting for tool results' },
  not_waiting_for_approval: { status: 409, title: 'No call of the session is waiting for an approval' },
  not_waiting_for_answers: { status: 409, title: 'The session is not waiting for answers' },
  conflicting_decision: { status: 409, title: 'Something else has been decided about the call already' },
  conflicting_answer: { status: 409, title: 'The questions have other answers already' },
  conflicting_tool_result: { status: 409, title: 'The tool call has another result already' },
  already_member: { status: 409, title: 'Somebody with this address is a member already' },
  last_owner: { status: 409, title: 'An organization needs an owner' },
  wrong_state: { status: 409, title: 'Not possible in this state' },
  cursor_expired: { status: 410, title: 'The events after this cursor are no longer kept' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The content type is not supported' },
  invalid_skill: { status: 422, title: 'The SKILL.md is not valid' },
  invalid_archive: { status: 422, title: 'The archive cannot be used' },
  database_limit_reached: { status: 422, title: 'The session has as many databases as it can have' },
  rate_limited: { status: 429, title: 'Too many requests' },
  too_many_streams: { status: 429, title: 'Too many streams' },
  internal: { status: 500, title: 'Internal error' },
  unavailable: { status: 503, title: 'Not available at the moment' },
  provider_unavailable: { status: 503, title: 'The provider gave no answer that can be used' },
} as const satisfies Record<string, CodeSpec>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** JSON path of the offending field, e.g. `message.content`. */
  field?: string;
  retryAfterSeconds?: number;
  cause?: unknown;
}

export class PlatformError extends Error {
  override readonly name = 'PlatformError';
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.field = details.field;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}
