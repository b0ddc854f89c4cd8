import { addressOf } from '../http/rate-limits.ts';
import type { Api } from '../http/types.ts';
import { shownCode } from '../identity/program-logins.ts';
import { textsOf } from './forms.ts';
import { PAGE, recordChange, requireLogin } from './page.ts';
import type { PageTools } from './page.ts';
import { withQuery } from './return-to.ts';
import { deviceCodePage, deviceDecisionPage, deviceDonePage } from './views/device.ts';

const UNKNOWN = 'No device waits with this code. Codes are good for 15 minutes.';

/** Entering the code of a device, seeing which one it is, and deciding. */
export function devicePages(app: Api, tools: PageTools): void {
  const { send, programs, identity, organizations, proxyHops } = tools;
  const login = (userCode: string | undefined): string =>
    withQuery('/login', { return_to: withQuery('/device', { user_code: userCode ?? null }) });
  app.get('/device', PAGE, async (request, reply) => {
    const { user_code: userCode } = textsOf(request.query);
    const caller = await requireLogin(tools, request, reply);
    return caller === null ? reply.redirect(login(userCode), 303) : send(reply, deviceCodePage(userCode ?? null));
  });
  app.post('/device', PAGE, async (request, reply) => {
    const { user_code: userCode = '' } = textsOf(request.body);
    const caller = await requireLogin(tools, request, reply);
    if (caller === null) return reply.redirect(login(userCode), 303);
    await identity.limits.ofAddress('login', addressOf(request, proxyHops));
    const device = await programs.findDevice(userCode);
    if (device === null) return send(reply, deviceCodePage(userCode, UNKNOWN), { status: 404 });
    const { email } = await organizations.me(caller);
    return send(reply, deviceDecisionPage({ ...device, userCode: shownCode(device.user_code) }, email));
  });
  app.post('/device/decision', PAGE, async (request, reply) => {
    const { user_code: userCode = '', decision } = textsOf(request.body);
    const caller = await requireLogin(tools, request, reply);
    if (caller === null) return reply.redirect(login(userCode), 303);
    await identity.limits.ofAddress('login', addressOf(request, proxyHops));
    const isApproved = decision === 'approve';
    const decided = await programs.decideDevice(caller, userCode, isApproved);
    if (decided === null) return send(reply, deviceCodePage(null, UNKNOWN), { status: 404 });
    await recordChange(request, caller, {
      action: 'decideDeviceLogin',
      domain: 'account',
      target: { type: 'user', id: caller.userId },
      metadata: { decision: isApproved ? 'approve' : 'deny' },
    });
    return send(reply, deviceDonePage(isApproved));
  });
}
