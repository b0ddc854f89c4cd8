import createOpenApiClient from 'openapi-fetch';
import type { MaybeOptionalInit, ParseAsResponse } from 'openapi-fetch';
import type { HttpMethod, PathsWithMethod, Readable, RequiredKeysOf, ResponseObjectMap, SuccessResponse } from 'openapi-typescript-helpers';
import type { paths } from './generated/api.ts';

type Answer<P extends keyof paths, M extends HttpMethod, I> = ParseAsResponse<
  Readable<
    SuccessResponse<
      ResponseObjectMap<paths[P] extends Record<M, infer Operation extends Record<string | number, unknown>> ? Operation : never>
    >
  >,
  I
>;

/** Left out where nothing in it is required. */
type InitParam<I> = RequiredKeysOf<I> extends never ? [init?: I] : [init: I];

type Call<M extends HttpMethod> = <P extends PathsWithMethod<paths, M>, I extends MaybeOptionalInit<paths[P], M>>(
  path: P,
  ...init: InitParam<I>
) => Promise<Answer<P, M, I>>;

/**
 * Every operation of the API by its path, with the types of the OpenAPI document: `api.get('/v1/agents/{id_or_name}', { params: { path:
 * { id_or_name: 'shop' } } })`. Resolves with the body, rejects with an `EverrunsError`.
 */
export interface Operations {
  get: Call<'get'>;
  post: Call<'post'>;
  put: Call<'put'>;
  patch: Call<'patch'>;
  delete: Call<'delete'>;
}

type Untyped = (path: string, init?: object) => Promise<{ data?: unknown }>;

/** `fetch` has to throw what is not a success. */
export function operations(baseUrl: string, fetcher: typeof fetch): Operations {
  const client = createOpenApiClient<paths>({ baseUrl, fetch: fetcher });
  const bodyOf = (method: unknown) => async (path: string, init?: object) => (await (method as Untyped)(path, init)).data;
  return {
    get: bodyOf(client.GET),
    post: bodyOf(client.POST),
    put: bodyOf(client.PUT),
    patch: bodyOf(client.PATCH),
    delete: bodyOf(client.DELETE),
  } as Operations;
}
