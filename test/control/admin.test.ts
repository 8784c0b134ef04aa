import { connect, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { type AdminServer, startAdmin } from '../../src/control/admin.ts';
import { type FakeApi, fakeApi } from '../support/control-api.ts';
import { until } from '../support/until.ts';

let running: AdminServer[] = [];
afterEach(async () => {
  await Promise.all(running.map((admin) => admin.close()));
  running = [];
});

async function admin(options: { address?: string; token?: string | null; api?: FakeApi } = {}) {
  const api = options.api ?? fakeApi();
  const server = await startAdmin({ api, address: options.address ?? '127.0.0.1:0', token: options.token ?? null });
  running.push(server);
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(server.url + path, { redirect: 'manual', signal: AbortSignal.timeout(5000), ...init });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const port = Number(new URL(server.url).port);
  return { api, server, ask, port };
}

/** Status line and all that came until the server closed; for what fetch would not send. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', reject).on('close', () => resolve(text));
    socket.setTimeout(15_000, () => socket.destroy(new Error('the server did not close')));
  });
}

function statusWith(port: number, method: string, path: string, fields: Record<string, string>): Promise<number> {
  const lines = Object.entries({ Host: `127.0.0.1:${port}`, ...fields }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const bytes = `${method} ${path} HTTP/1.1\r\n${lines.join('')}Connection: close\r\n\r\n`;
  return raw(port, bytes).then((text) => Number(text.slice(9, 12)));
}

const errorOf = (text: string) => JSON.parse(text).error as { code: string; message: string };

describe('the admin API', () => {
  it('is alive from the start, and ready only when nothing speaks against it', async () => {
    const { ask, api } = await admin();
    expect((await ask('/livez')).status).toBe(200);
    expect((await ask('/readyz')).status).toBe(200);
    api.reason = 'draining';
    const answer = await ask('/readyz');
    expect(answer.status).toBe(503);
    expect(errorOf(answer.text)).toEqual({ code: 'not_ready', message: 'draining' });
    expect((await ask('/livez')).status).toBe(200);
  });

  it('answers every read with JSON that nobody caches', async () => {
    const { ask, api } = await admin();
    for (const [path, expected] of [
      ['/api/v1/routes', api.routes()],
      ['/api/v1/config', api.config()],
      ['/api/v1/decisions', []],
      ['/api/v1/pools', api.pools()],
      ['/api/v1/decisions/k3', api.decision('k3')],
      ['/api/v1/node', api.node()],
    ] as const) {
      const { status, headers, text } = await ask(path);
      expect([path, status]).toEqual([path, 200]);
      expect(headers.get('content-type')).toMatch(/^application\/json/);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(JSON.parse(text)).toEqual(expected);
    }
    const ids = JSON.parse((await ask('/api/v1/endpoints')).text).map((endpoint: { id: string }) => endpoint.id);
    expect(ids).toEqual(api.endpoints().map((endpoint) => endpoint.id));
  });

  it('exposes the metrics in the text format', async () => {
    const { headers, text } = await (await admin()).ask('/metrics');
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain('fermat_build_info 1');
  });

  it('explains a request, and passes a refusal on with its status', async () => {
    const { ask } = await admin();
    expect(JSON.parse((await ask('/api/v1/explain?client=192.0.2.7')).text)).toMatchObject({ chosen: 'fra-1' });
    const nowhere = await ask('/api/v1/explain?client=192.0.2.7&path=%2Fnowhere');
    expect([nowhere.status, errorOf(nowhere.text).code]).toEqual([404, 'no_route']);
    const without = await ask('/api/v1/explain');
    expect([without.status, errorOf(without.text).code]).toEqual([400, 'bad_request']);
  });

  it('has one decision whole, as long as it is kept', async () => {
    const gone = await (await admin()).ask('/api/v1/decisions/nobody');
    expect([gone.status, errorOf(gone.text).code]).toEqual([404, 'decision_gone']);
  });

  it('foretells an evacuation of regions and endpoints, of which there must be one', async () => {
    const { ask, api } = await admin();
    const both = '/api/v1/evacuation?region=aws:sa-east-1&region=gcp:europe-west3&endpoint=iad%2Fblue:8080&pool=shop';
    expect(JSON.parse((await ask(both)).text).removed).toEqual(['iad/blue:8080', 'gru-1', 'new-1']);
    expect(api.calls).toEqual(['evacuation aws:sa-east-1+gcp:europe-west3 iad/blue:8080 shop']);
    const nowhere = await ask('/api/v1/evacuation?region=mars');
    expect([nowhere.status, errorOf(nowhere.text).code]).toEqual([404, 'no_such_region']);
    for (const query of ['', '?region=', '?pool=shop']) {
      expect([query, (await ask(`/api/v1/evacuation${query}`)).status]).toEqual([query, 400]);
    }
  });

  it('drains and enables endpoints whose ids hold slashes and colons, encoded or not', async () => {
    const { ask, api } = await admin();
    const id = 'iad/blue:8080';
    const answer = await ask(`/api/v1/endpoints/${encodeURIComponent(id)}/drain`, { method: 'POST' });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ ok: true, endpoint: { id } });
    expect((await ask(`/api/v1/endpoints/${id}/enable`, { method: 'POST' })).status).toBe(200);
    expect((await ask('/api/v1/endpoints/a%252Fb/drain', { method: 'POST' })).status).toBe(404);
    expect(api.calls).toEqual([`drain ${id}`, `enable ${id}`, 'drain a%2Fb']);
  });

  it('says whether a reload was taken, and all that is wrong when it was not', async () => {
    const { ask, api } = await admin();
    const taken = await ask('/api/v1/reload', { method: 'POST' });
    expect([taken.status, JSON.parse(taken.text)]).toEqual([200, { ok: true, version: 8, problems: [] }]);
    const problems = ['fermat.yaml:1:1 a: bad', 'fermat.yaml:2:1 b: worse'];
    api.reloadResult = { ok: false, version: 8, problems };
    const refused = await ask('/api/v1/reload', { method: 'POST' });
    expect(refused.status).toBe(422);
    expect(errorOf(refused.text)).toEqual({ code: 'config_invalid', message: problems.join('\n') });
    expect(JSON.parse(refused.text)).toMatchObject({ ok: false, problems });
  });

  it('answers 404 for what is not there and 405 with Allow for what is there but not so', async () => {
    const { ask, api } = await admin();
    const missing = await ask('/api/v2/endpoints');
    expect([missing.status, errorOf(missing.text).code]).toEqual([404, 'not_found']);
    const get = await ask('/api/v1/reload');
    expect([get.status, get.headers.get('allow'), errorOf(get.text).code]).toEqual([405, 'POST', 'method_not_allowed']);
    expect((await ask('/api/v1/endpoints/fra-1/drain')).status).toBe(405);
    const post = await ask('/api/v1/endpoints', { method: 'POST' });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect((await ask('/livez', { method: 'OPTIONS' })).status).toBe(405);
    expect(api.calls).toEqual([]);
  });

  it('answers HEAD like GET without a body, and does not begin a stream for it', async () => {
    const { ask } = await admin();
    for (const path of ['/livez', '/metrics', '/api/v1/endpoints', '/api/v1/events', '/ui/']) {
      const { status, text } = await ask(path, { method: 'HEAD' });
      expect([path, status, text]).toEqual([path, 200, '']);
    }
  });

  it('answers 500 without saying why, logs why, and goes on, when the node throws', async () => {
    const api = fakeApi();
    api.endpoints = () => {
      throw new Error('secret detail');
    };
    const { ask } = await admin({ api });
    const answer = await ask('/api/v1/endpoints');
    expect([answer.status, errorOf(answer.text).code]).toEqual([500, 'internal']);
    expect(answer.text).not.toContain('secret');
    expect(api.events.recent().at(-1)?.message).toContain('secret detail');
    expect((await ask('/livez')).status).toBe(200);
  });

  it('takes no bodies worth mentioning', async () => {
    const { ask } = await admin();
    expect((await ask('/api/v1/reload', { method: 'POST', body: '{}' })).status).toBe(200);
    expect((await ask('/api/v1/reload', { method: 'POST', body: 'x'.repeat(100_000) })).status).toBe(413);
  });
});

describe('the guard of the admin API', () => {
  it('refuses a Host that is not ours, since a page could have bound its name to our address', async () => {
    const { port } = await admin();
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1.evil.example',
      '10.1.2.3',
      'localhost@evil',
      '',
    ]) {
      const status = await statusWith(port, 'GET', '/api/v1/config', { Host: host });
      expect([host, [400, 403].includes(status)]).toEqual([host, true]);
    }
    expect(await statusWith(port, 'GET', '/metrics', { Host: 'evil.example' })).toBe(403);
    expect(await statusWith(port, 'GET', 'http://evil.example/api/v1/config', {})).not.toBe(500);
    for (const host of ['localhost', `LOCALHOST:${port}`, 'localhost.', '127.0.0.1', `[::1]:${port}`, hostname()]) {
      expect([host, await statusWith(port, 'GET', '/api/v1/config', { Host: host })]).toEqual([host, 200]);
    }
  });

  it('refuses a request with two Hosts, whichever is ours', async () => {
    const { port } = await admin();
    for (const hosts of ['Host: localhost\r\nHost: evil.example', 'Host: evil.example\r\nHost: localhost']) {
      const answer = await raw(port, `GET /livez HTTP/1.1\r\n${hosts}\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 400 .*"more than one Host"/s);
    }
  });

  it('serves probes of HTTP/1.0 without a Host', async () => {
    const { port } = await admin();
    expect(await raw(port, 'GET /livez HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('refuses what a page of another origin sends', async () => {
    const { port, api } = await admin();
    const reload = (fields: Record<string, string>) => statusWith(port, 'POST', '/api/v1/reload', fields);
    expect(await reload({ Origin: 'http://evil.example' })).toBe(403);
    expect(await reload({ Origin: 'null' })).toBe(403);
    expect(await reload({ Origin: `http://127.0.0.1:${port + 1}` })).toBe(403);
    expect(await reload({ 'Sec-Fetch-Site': 'cross-site' })).toBe(403);
    expect(await statusWith(port, 'GET', '/api/v1/config', { 'Sec-Fetch-Site': 'cross-site' })).toBe(403);
    expect(api.calls).toEqual([]);
    expect(await reload({ Origin: `http://127.0.0.1:${port}` })).toBe(200);
    expect(await reload({})).toBe(200);
  });

  it('lets a link of another page open the console, and nothing but the console', async () => {
    const { port } = await admin();
    const link = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' };
    expect(await statusWith(port, 'GET', '/ui/', link)).toBe(200);
    expect(await statusWith(port, 'GET', '/api/v1/config', link)).toBe(403);
    expect(await statusWith(port, 'POST', '/api/v1/reload', link)).toBe(403);
  });

  it('asks for the token where there is one, except for probes and metrics', async () => {
    const { ask } = await admin({ token: 'opensesame' });
    for (const path of ['/livez', '/readyz', '/metrics']) expect([path, (await ask(path)).status]).toEqual([path, 200]);
    for (const path of ['/api/v1/endpoints', '/api/v1/events', '/ui/', '/', '/nowhere']) {
      const { status, headers, text } = await ask(path);
      expect([path, status, errorOf(text).code]).toEqual([path, 401, 'unauthorized']);
      expect(headers.get('www-authenticate')).toMatch(/^Bearer realm="fermat", Basic /);
    }
    const as = (authorization: string) =>
      ask('/api/v1/endpoints', { headers: { authorization } }).then((answer) => answer.status);
    expect(await as('Bearer opensesame')).toBe(200);
    expect(await as('bearer  opensesame')).toBe(200);
    expect(await as(`Basic ${btoa('anyone:opensesame')}`)).toBe(200);
    for (const wrong of [
      'Bearer opensesam',
      'Bearer opensesame2',
      'Bearer',
      'opensesame',
      `Basic ${btoa('opensesame:')}`,
    ]) {
      expect([wrong, await as(wrong)]).toEqual([wrong, 401]);
    }
  });

  it('still refuses a foreign origin that brings the token', async () => {
    const { port } = await admin({ token: 't' });
    const fields = { Authorization: 'Bearer t', Origin: 'http://evil.example' };
    expect(await statusWith(port, 'POST', '/api/v1/reload', fields)).toBe(403);
  });

  it.each([
    ':0',
    '0.0.0.0:0',
    '[::]:0',
    '192.0.2.1:0',
    'some.name:0',
  ])('does not start on %s without a token, and says what to do', async (address) => {
    await expect(startAdmin({ api: fakeApi(), address, token: null })).rejects.toThrow(/admin\.token.*must be set/);
    await expect(startAdmin({ api: fakeApi(), address, token: '' })).rejects.toThrow(/admin\.token/);
  });

  it('listens on all addresses with a token, and then knows no foreign Host', async () => {
    const { ask, port } = await admin({ address: ':0', token: 't' });
    expect((await ask('/livez')).status).toBe(200);
    const fields = { Host: 'fermat.monitoring.svc', Authorization: 'Bearer t' };
    expect(await statusWith(port, 'GET', '/metrics', { Host: 'fermat.monitoring.svc' })).toBe(200);
    expect(await statusWith(port, 'GET', '/api/v1/node', fields)).toBe(200);
    expect(await statusWith(port, 'GET', '/api/v1/node', { Host: 'fermat.monitoring.svc' })).toBe(401);
  });

  it.each([
    'nonsense',
    '127.0.0.1',
    '127.0.0.1:99999',
    '::1:80',
    'http://127.0.0.1:1',
  ])('refuses %s as an address', async (address) => {
    await expect(startAdmin({ api: fakeApi(), address, token: 't' })).rejects.toThrow(/expected host:port/);
  });

  it('rejects when the port is taken', async () => {
    const { port } = await admin();
    await expect(startAdmin({ api: fakeApi(), address: `127.0.0.1:${port}`, token: null })).rejects.toThrow(
      /EADDRINUSE/,
    );
  });

  // 256 connections that sent half a head shut everybody out for five seconds, the operator at the same address above all.
  it('answers, follows and changes things while hundreds of connections from the same address ask nothing', async () => {
    const { ask, port, api } = await admin();
    const following = connect(port, '127.0.0.1', () =>
      following.write('GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    );
    let followed = '';
    following.on('data', (chunk) => {
      followed += chunk;
    });
    await until(() => followed.includes('retry:'), 'the stream');
    const half: Socket[] = [];
    let isOver = false;
    const flood = async () => {
      while (!isOver) {
        const socket = connect(port, '127.0.0.1', () => socket.write('GET /livez HTTP/1.1\r\nHost: local'));
        socket.on('error', () => undefined);
        await new Promise<void>((resolve) => socket.once('connect', resolve).once('close', () => resolve()));
        half.push(socket);
      }
    };
    const flooding = [flood(), flood()];
    try {
      await until(() => half.length >= 600, '600 connections');
      for (let i = 0; i < 5; i++) {
        const init = { headers: { connection: 'close' } };
        expect((await ask('/livez', init)).status).toBe(200);
        expect((await ask('/api/v1/endpoints/fra-1/drain', { method: 'POST', ...init })).status).toBe(200);
      }
      api.events.emit('info', 'test', 'still here');
      await until(() => followed.includes('still here'), 'the event');
    } finally {
      isOver = true;
      await Promise.all(flooding);
      for (const socket of [...half, following]) socket.destroy();
    }
  });

  it('cuts off clients that do not finish their head, and serves others meanwhile', async () => {
    const { ask, port } = await admin();
    const silent = raw(port, '');
    const slow = raw(port, 'GET /livez HTTP/1.1\r\nHost: local');
    expect((await ask('/livez')).status).toBe(200);
    expect(await slow).toMatch(/^(HTTP\/1\.1 408 |$)/);
    expect(await silent).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });
});

describe('the event stream', () => {
  async function follow(port: number): Promise<{ socket: Socket; text: () => string }> {
    let text = '';
    const socket = connect(port, '127.0.0.1');
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => undefined);
    socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await until(() => text.includes('retry:') || text.startsWith('HTTP/1.1 503'), 'the stream');
    return { socket, text: () => text };
  }

  it('tells the recent past, then what happens, one JSON object a message', async () => {
    const { api, port } = await admin();
    api.events.emit('info', 'past', 'before');
    const { socket, text } = await follow(port);
    expect(text()).toMatch(/^HTTP\/1\.1 200 /);
    expect(text()).toMatch(/content-type: text\/event-stream/i);
    api.events.emit('warn', 'endpoint.state', 'line one\nline two', { endpoint: 'fra-1' });
    await until(() => text().includes('line two'), 'the event');
    const events = [...text().matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1]!));
    expect(events.map((event) => event.type)).toEqual(['past', 'endpoint.state']);
    expect(events[1]).toMatchObject({ level: 'warn', message: 'line one\nline two', endpoint: 'fra-1' });
    socket.destroy();
  });

  // Some hundred events with long fields were more than a client may leave unread: it was cut off each time that it came.
  it('tells the whole recent past, however long it is', async () => {
    const { api, port } = await admin();
    for (let i = 0; i < 100; i++) api.events.emit('info', 'long', `number ${i}.`, { detail: 'x'.repeat(10_000) });
    const { socket, text } = await follow(port);
    await until(() => text().includes('number 99.') || socket.destroyed, 'the last of them');
    expect(text()).toContain('number 99.');
    socket.destroy();
  });

  it('cuts a client off that does not read, and forgets it', async () => {
    const { api, port } = await admin();
    let followers = 0;
    const subscribe = api.events.subscribe;
    api.events.subscribe = (listener) => {
      const leave = subscribe(listener);
      followers++;
      return () => {
        followers--;
        leave();
      };
    };
    const { socket } = await follow(port);
    expect(followers).toBe(1);
    socket.pause();
    const filler = 'x'.repeat(60_000);
    let emitted = 0;
    await until(
      () => {
        if (emitted++ < 1000) api.events.emit('info', 'filler', filler);
        return followers === 0;
      },
      'the end of the stream',
      20_000,
    );
    // What the kernel takes for both sides and the buffer of the stream, far from all that could be sent.
    expect(emitted).toBeLessThan(500);
    socket.destroy();
  });

  it('serves a bounded number of streams, and takes a new one when an old one has left', async () => {
    const { port } = await admin();
    const streams = await Promise.all(Array.from({ length: 32 }, () => follow(port)));
    const refused = await follow(port);
    expect(refused.text()).toMatch(/^HTTP\/1\.1 503 /);
    expect(refused.text()).toContain('too_many_streams');
    refused.socket.destroy();
    streams[0]!.socket.destroy();
    await until(async () => {
      const next = await follow(port);
      next.socket.unref();
      streams.push(next);
      return next.text().startsWith('HTTP/1.1 200');
    }, 'a free place');
    for (const { socket } of streams) socket.destroy();
  });

  it('ends with the server, which closes at once although clients still follow', async () => {
    const { server, port } = await admin();
    const { socket, text } = await follow(port);
    const ended = new Promise((resolve) => socket.once('close', resolve));
    const startMs = performance.now();
    await server.close();
    await ended;
    expect(performance.now() - startMs).toBeLessThan(3000);
    expect(text()).toMatch(/\r\n0\r\n\r\n$/);
    running = [];
  });
});

describe('the console', () => {
  it('is at /ui/, where / and /ui lead', async () => {
    const { ask } = await admin();
    for (const path of ['/', '/ui']) {
      const { status, headers } = await ask(path);
      expect([path, status, headers.get('location')]).toEqual([path, 302, '/ui/']);
    }
    const page = await ask('/ui/');
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.text).toContain('IP Geolocation by DB-IP');
    expect(page.text).toContain('href="https://db-ip.com"');
  });

  it('asks nothing of other hosts and runs no inline script', async () => {
    const { ask } = await admin();
    const { headers, text } = await ask('/ui/');
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(text).not.toMatch(/<script(?![^>]*\bsrc="[\w./-]+\.js")|<style|\son[a-z]+=|\sstyle=/i);
    const scripts = [...text.matchAll(/<(?:script|link)[^>]*(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
    expect(scripts.filter((source) => /^(https?:)?\/\//.test(source))).toEqual([]);
    for (const file of scripts.filter((source) => !source.startsWith('data:'))) {
      const { status, headers: its } = await ask(`/ui/${file}`);
      expect([file, status]).toEqual([file, 200]);
      expect(its.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('is not sent twice to a browser that has it', async () => {
    const { ask } = await admin();
    const etag = (await ask('/ui/app.js')).headers.get('etag') ?? '';
    const again = await ask('/ui/app.js', { headers: { 'if-none-match': etag } });
    expect([again.status, again.text]).toEqual([304, '']);
    // RFC 9110, 13.1.2: whatever there is.
    expect((await ask('/ui/app.js', { headers: { 'if-none-match': '*' } })).status).toBe(304);
  });

  it('serves its own files and nothing else of the file system', async () => {
    const { port } = await admin();
    for (const path of [
      '/ui/../admin.ts',
      '/ui/..%2fadmin.ts',
      '/ui/%2e%2e/admin.ts',
      '/ui/index.html/',
      '/ui//etc/passwd',
    ]) {
      expect([path, await statusWith(port, 'GET', path, {})]).toEqual([path, 404]);
    }
  });
});
