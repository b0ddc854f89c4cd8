export interface WelcomeParams {
  /** Of the HTTP server, without a path. */
  url: string;
  grpcAddress: string | undefined;
  /** How to reach the database with `psql`. */
  psql: string;
  /** Where everything is kept; undefined when nothing is. */
  home: string | undefined;
  /** There is a management interface, or there will be in a moment. */
  hasPages: boolean;
  startMs: number;
}

/** The first request to copy: README.md shows the same lines. */
export function firstRequest(url: string): string[] {
  return [
    `SESSION=$(curl -s ${url}/api/v1/sessions -H 'content-type: application/json' \\`,
    `  -d '{"capabilities":[{"ref":"current_time"}]}' | node -p 'JSON.parse(require("fs").readFileSync(0)).id')`,
    `curl -s ${url}/api/v1/sessions/$SESSION/messages -H 'content-type: application/json' \\`,
    `  -d '{"message":{"content":[{"type":"text","text":"What time is it?"}]}}'`,
    `curl -sN --max-time 10 ${url}/api/v1/sessions/$SESSION/sse`,
  ];
}

export function welcome({ url, grpcAddress, psql, home, hasPages, startMs }: WelcomeParams): string[] {
  return [
    `Everruns is ready after ${(startMs / 1000).toFixed(1)} s.`,
    '',
    ...(hasPages ? [`  Pages       ${url}/`] : []),
    `  API         ${url}/api/v1`,
    `  OpenAPI     ${url}/api-doc/openapi.json`,
    ...(grpcAddress === undefined ? [] : [`  Workers     ${grpcAddress} (gRPC; npm run worker starts one more)`]),
    `  PostgreSQL  ${psql}`,
    `  Data        ${home ?? 'in a temporary directory, gone when this ends'}`,
    '',
    'First request:',
    '',
    ...firstRequest(url).map((line) => `  ${line}`),
    '',
    'Ctrl-C stops everything.',
  ];
}
