import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createSessions } from '../../../src/control/admin/session.ts';
import { Tries } from '../../../src/control/admin/tries.ts';
import { AdminRig, errorOf } from '../../support/admin.ts';

const TOKEN = 'open+sesame&so%20on';
const HTML = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
const HOUR_MS = 3600_000;

/** The status of a login by somebody who has this address. */
async function loginFrom(localAddress: string, port: number, token: string): Promise<number> {
  const sent = request({ host: '127.0.0.1', port, localAddress, method: 'POST', path: '/ui/login', agent: false });
  sent.end(`token=${token}`);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode!;
}

describe('the login of the console', () => {
  it('is shown to a browser that opens the console, and nothing else is', async () => {
    await using rig = await AdminRig.start(TOKEN);
    for (const path of ['/', '/ui', '/ui/']) {
      const { status, headers, text } = await rig.get(path, HTML);
      expect([path, status, headers['content-type']]).toEqual([path, 401, 'text/html; charset=utf-8']);
      // Basic would open the browser's own window instead of the page.
      expect(headers['www-authenticate']).toBe('Bearer realm="fermat"');
      expect(text).toContain('<form method="post">'); // to where it is shown, with what follows the #
      expect(text).toContain('autocomplete="current-password"');
      expect(text).not.toMatch(/<script|\son[a-z]+=|https?:/i);
    }
    for (const path of ['/api/v1/config', '/ui/app.js', '/ui/nothing']) {
      const answer = await rig.get(path, HTML);
      expect([path, answer.status, errorOf(answer).code]).toEqual([path, 401, 'unauthorized']);
    }
  });

  it('is a page whose style the policy allows by its hash, and which runs nothing', async () => {
    await using rig = await AdminRig.start(TOKEN);
    const { headers, text } = await rig.get('/ui/', HTML);
    const policy = String(headers['content-security-policy']);
    const style = /<style>([\s\S]*)<\/style>/.exec(text)![1]!;
    expect(policy).toContain(`style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|script-src/);
    expect(headers['cache-control']).toBe('no-store');
    // Else the browser would call the form's origin `null`, which is refused.
    expect(headers['referrer-policy']).toBe('same-origin');
  });

  it('lets the right token in by a cookie that scripts and other sites do not get', async () => {
    await using rig = await AdminRig.start(TOKEN);
    const answer = await rig.login(TOKEN, { origin: rig.origin });
    expect([answer.status, answer.headers.location]).toEqual([303, '/ui/']);
    const [cookie = ''] = answer.headers['set-cookie'] ?? [];
    const [pair = '', ...attributes] = cookie.split('; ');
    expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=43200', 'Path=/', 'SameSite=Strict']);
    expect(pair).toMatch(/^fermat_session=[0-9a-z]+\.[\w-]{43}$/);
    expect(cookie).not.toContain('sesame');
    for (const path of ['/ui/', '/ui/app.js', '/api/v1/endpoints']) {
      expect([path, (await rig.get(path, { cookie: `other=1; ${pair}` })).status]).toEqual([path, 200]);
    }
    const session = JSON.parse((await rig.get('/api/v1/session', { cookie: pair })).text);
    expect(session.session).toBe(true);
    expect(Date.parse(session.until) - Date.now()).toBeGreaterThan(11 * HOUR_MS);
  });

  it('takes the token wherever the page was shown, and only from a page of ours', async () => {
    await using rig = await AdminRig.start(TOKEN);
    const body = new URLSearchParams({ token: TOKEN }).toString();
    for (const path of ['/', '/ui', '/ui/', '/ui/login']) {
      const sent = (origin: string) =>
        rig.ask('POST', path, { origin, 'content-length': String(Buffer.byteLength(body)) }, body);
      const { status, headers } = await sent(rig.origin);
      expect([path, status, headers.location, headers['set-cookie']?.length]).toEqual([path, 303, '/ui/', 1]);
      const foreign = await sent('http://evil.example');
      expect([path, foreign.status, foreign.headers['set-cookie']]).toEqual([path, 403, undefined]);
    }
  });

  it('says so when that is not the token, and keeps what was typed to itself', async () => {
    await using rig = await AdminRig.start(TOKEN);
    for (const typed of ['open+sesamf&so%20on', 'open sesame&so on', '', `${TOKEN} `, '<b>hunter2</b>']) {
      const { status, text, headers } = await rig.login(typed);
      expect([typed, status, headers['set-cookie']]).toEqual([typed, 401, undefined]);
      expect(text).toContain('That is not the token.');
      expect(text).not.toContain('hunter2');
    }
    const told = rig.api.events.recent().filter(({ type }) => type === 'admin.login');
    expect(told).toMatchObject([{ level: 'warn', failed: 1, from: '127.0.0.1' }]);
    expect(JSON.stringify(rig.api.events.recent())).not.toMatch(/hunter2|sesam/);
  });

  it('slows down whoever guesses, and lets nobody in meanwhile', async () => {
    await using rig = await AdminRig.start('sesame');
    const guesses = await Promise.all(Array.from({ length: 30 }, (_, i) => rig.login(`guess ${i}`)));
    const slowed = guesses.filter(({ status }) => status === 429);
    expect(slowed.length).toBeGreaterThan(15);
    expect(slowed[0]!.headers['retry-after']).toBe('1');
    expect(slowed[0]!.text).toContain('Too many tries');
    expect(guesses.every(({ status }) => status === 429 || status === 401)).toBe(true);
    // The token itself is no way around it; whoever has it can do without a session.
    const ways = await Promise.all(Array.from({ length: 30 }, () => rig.login('sesame')));
    expect(ways.filter(({ status }) => status === 303).length).toBeLessThan(15);
    expect((await rig.get('/api/v1/node', { authorization: 'Bearer sesame' })).status).toBe(200);
  });

  // Tries were counted for everybody together: whoever kept guessing kept the operator out.
  it('does not keep others out while somebody guesses', async () => {
    await using rig = await AdminRig.start('sesame');
    const guesses = await Promise.all(Array.from({ length: 30 }, () => loginFrom('127.0.0.2', rig.port, 'guess')));
    expect(guesses.filter((status) => status === 429).length).toBeGreaterThan(15);
    expect(await loginFrom('127.0.0.3', rig.port, 'sesame')).toBe(303);
  });

  it('ends a session on request', async () => {
    await using rig = await AdminRig.start(TOKEN);
    const cookie = await rig.session(TOKEN);
    const answer = await rig.ask('POST', '/ui/logout', { cookie, origin: rig.origin });
    expect([answer.status, answer.headers.location]).toEqual([303, '/ui/']);
    expect(String(answer.headers['set-cookie'])).toMatch(/^fermat_session=; Max-Age=0; Path=\/;/);
    expect((await rig.ask('POST', '/ui/logout', { cookie, origin: 'http://evil.example' })).status).toBe(403);
    expect((await rig.get('/ui/logout', { cookie })).status).toBe(405);
  });

  it('is a way to the console and no more where there is no token', async () => {
    await using rig = await AdminRig.start(null);
    const answer = await rig.login('anything');
    expect([answer.status, answer.headers.location, answer.headers['set-cookie']]).toEqual([303, '/ui/', undefined]);
    expect(JSON.parse((await rig.get('/api/v1/session')).text)).toEqual({ session: false });
    expect((await rig.get('/ui/login')).headers.location).toBe('/ui/');
    expect((await rig.get('/ui/', HTML)).status).toBe(200);
  });

  it('takes no cookie that it did not make itself', async () => {
    await using rig = await AdminRig.start(TOKEN);
    const good = (await rig.session(TOKEN)).slice('fermat_session='.length);
    const [expiry = '', seal = ''] = good.split('.');
    const later = (Number.parseInt(expiry, 36) + 1000).toString(36);
    const plain = createHmac('sha256', TOKEN).update(expiry).digest('base64url');
    for (const value of [
      '',
      '.',
      expiry,
      `${expiry}.`,
      `.${seal}`,
      `${later}.${seal}`,
      `${expiry}.${plain}`,
      `${good}x`,
    ]) {
      const { status } = await rig.get('/api/v1/node', { cookie: `fermat_session=${value}` });
      expect([value, status]).toEqual([value, 401]);
    }
    expect((await rig.get('/api/v1/node', { cookie: `xfermat_session=${good}` })).status).toBe(401);
    // The browser may hold an old one of another path as well.
    expect((await rig.get('/api/v1/node', { cookie: `fermat_session=old; fermat_session=${good}` })).status).toBe(200);
  });
});

describe('tries', () => {
  it('are five a second for each network, an IPv6 one of 64 bits', () => {
    const tries = new Tries();
    const taken = (from: string, nowMs: number) =>
      Array.from({ length: 8 }, () => tries.take(from, nowMs)).filter(Boolean).length;
    expect(taken('192.0.2.1', 0)).toBe(5);
    expect(taken('::ffff:192.0.2.1', 0)).toBe(0);
    expect(taken('192.0.2.2', 0)).toBe(5);
    expect(taken('2001:db8::1', 0)).toBe(5);
    expect(taken('2001:db8::2:0:0:1', 0)).toBe(0);
    expect(taken('2001:db8:0:1::1', 0)).toBe(5);
    expect(taken('192.0.2.1', 400)).toBe(2);
  });

  it('share one measure beyond 256 networks, until there is room again', () => {
    const tries = new Tries();
    for (let i = 0; i < 256; i++) expect(tries.take(`10.0.${i}.1`, 0)).toBe(true);
    const beyond = Array.from({ length: 100 }, (_, i) => tries.take(`10.1.${i}.1`, 0));
    expect(beyond.filter(Boolean)).toHaveLength(5);
    expect(tries.take('10.0.7.1', 0)).toBe(true);
    expect(Array.from({ length: 100 }, (_, i) => tries.take(`10.1.${i}.1`, 1000)).every(Boolean)).toBe(true);
  });
});

describe('a session', () => {
  const nowMs = Date.UTC(2026, 10, 21);
  const cookieOf = (token: string, atMs: number) => createSessions(token).begin(atMs).split(';')[0];

  it('ends after twelve hours, whatever the browser says', () => {
    const sessions = createSessions(TOKEN);
    const cookie = cookieOf(TOKEN, nowMs);
    expect(sessions.expiryOf(cookie, nowMs)).toBe(nowMs + 12 * HOUR_MS);
    expect(sessions.expiryOf(cookie, nowMs + 12 * HOUR_MS - 1)).toBe(nowMs + 12 * HOUR_MS);
    expect(sessions.expiryOf(cookie, nowMs + 12 * HOUR_MS)).toBeNull();
    // Of a clock that was ahead.
    expect(sessions.expiryOf(cookie, nowMs - 1)).toBeNull();
  });

  // A Cookie field has room for a thousand of them, and each costs three digests on the thread that probes.
  it('is looked for among the first cookies of its name alone', () => {
    const sessions = createSessions(TOKEN);
    const old = 'fermat_session=a.b; ';
    expect(sessions.expiryOf(`${old.repeat(3)}${cookieOf(TOKEN, nowMs)}`, nowMs)).not.toBeNull();
    expect(sessions.expiryOf(`${old.repeat(700)}${cookieOf(TOKEN, nowMs)}`, nowMs)).toBeNull();
  });

  it('ends with the token that it was begun with, and outlives the process', () => {
    const cookie = cookieOf(TOKEN, nowMs);
    expect(createSessions(TOKEN).expiryOf(cookie, nowMs)).not.toBeNull();
    expect(createSessions('another').expiryOf(cookie, nowMs)).toBeNull();
  });
});

describe('what the browser sends along on its own', () => {
  it('changes things only when our own page asked for it', async () => {
    await using rig = await AdminRig.start(TOKEN);
    const cookie = await rig.session(TOKEN);
    const drain = async (fields: Record<string, string>) =>
      (await rig.ask('POST', '/api/v1/endpoints/fra-1/drain', { cookie, ...fields })).status;
    const refused: Record<string, string>[] = [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${rig.port + 1}` },
      { origin: `https://127.0.0.1:${rig.port}.evil.example` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { origin: 'null', 'sec-fetch-site': 'same-origin' },
      {}, // no browser sends neither
    ];
    for (const fields of refused) expect([fields, await drain(fields)]).toEqual([fields, 403]);
    expect(rig.api.calls).toEqual([]);
    expect(await drain({ origin: rig.origin })).toBe(200);
    expect(await drain({ 'sec-fetch-site': 'same-origin' })).toBe(200);
    expect(rig.api.calls).toEqual(['drain fra-1', 'drain fra-1']);
  });

  it('does not keep a program with the token from changing things', async () => {
    const token = 'sesame';
    await using rig = await AdminRig.start(token);
    for (const authorization of [`Bearer ${token}`, `Basic ${btoa(`me:${token}`)}`]) {
      expect((await rig.ask('POST', '/api/v1/reload', { authorization })).status).toBe(200);
    }
  });

  it('makes the browser ask for a password where an address of the API is opened, and nowhere else', async () => {
    await using rig = await AdminRig.start(TOKEN);
    const challenges = async (fields: Record<string, string>, path = '/api/v1/node') =>
      String((await rig.get(path, fields)).headers['www-authenticate']).includes('Basic');
    expect(await challenges({})).toBe(true);
    expect(await challenges({ ...HTML, 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' })).toBe(true);
    expect(await challenges({ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' })).toBe(false);
    expect(await challenges({ accept: 'text/event-stream' }, '/api/v1/live')).toBe(false);
    expect(await challenges({ accept: 'application/json' })).toBe(false);
    expect(await challenges({ cookie: 'fermat_session=over' })).toBe(false);
    expect(await challenges({}, '/ui/app.js')).toBe(false);
  });
});
