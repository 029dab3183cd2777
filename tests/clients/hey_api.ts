// Calls every operation of packaging/openapi.json with the client that @hey-api/openapi-ts made of
// it, and holds each answer against the document, by ajv. ./generated compiles and runs it:
//     node hey_api.js DOCUMENT CONFIG_FILE BASE_URL TOKEN      over TCP
//     node hey_api.js DOCUMENT CONFIG_FILE unix:PATH           over the Unix socket, without a token
import Ajv, {ValidateFunction} from 'ajv';
import addFormats from 'ajv-formats';
import {readFileSync, writeFileSync} from 'fs';
import {Agent} from 'undici';

import * as reeve from './gen';
import {createClient} from './gen/client';

type Json = any;

const [documentFile, configFile, place, token] = process.argv.slice(2) as string[];
const document: Json = JSON.parse(readFileSync(documentFile!, 'utf8'));
const config = readFileSync(configFile!, 'utf8');

// A newer reeve may send more than is written; this one may not.
function close(node: Json): void {
    if (typeof node !== 'object' || node === null) return;
    if (node.type === 'object' && node.properties) node.additionalProperties ??= false;
    Object.values(node).forEach(close);
}
close(document.components.schemas);

const ajv = new Ajv({strict: false, allErrors: true});
addFormats(ajv);
const compiled = new Map<string, ValidateFunction>();

function check(what: string, value: unknown, schema: Json): void {
    const key = JSON.stringify(schema);
    const valid = compiled.get(key) ?? ajv.compile({components: document.components, ...schema});
    compiled.set(key, valid);
    if (!valid(value)) throw new Error(`${what}: ${ajv.errorsText(valid.errors)}: ${JSON.stringify(value)}`);
}

function expect(truth: unknown, what: string): asserts truth {
    if (!truth) throw new Error(what);
}

const resolve = (node: Json): Json =>
    node.$ref ? node.$ref.slice(2).split('/').reduce((at: Json, step: string) => at[step], document) : node;

const operations = new Map<string, Json>();
for (const methods of Object.values<Json>(document.paths))
    for (const spec of Object.values<Json>(methods)) operations.set(spec.operationId, spec);
const called = new Set<string>();
let failures = 0;

function contentOf(id: string, status: number): Json {
    const all = operations.get(id).responses;
    const said = all[status] ?? all[`${Math.floor(status / 100)}XX`];
    expect(said, `${id}: the document has no answer ${status}`);
    return resolve(said).content;
}

type Answer = {data?: unknown; error?: unknown; response: Response};

// One line for each: its status is the one expected, and its body what the document says of it.
async function call<T extends Answer>(id: string, status: number, asked: Promise<T>): Promise<T> {
    expect(operations.has(id), `the document has no operation ${id}`);
    called.add(id);
    const answer = await asked;
    const {data, error, response} = answer;
    expect(response, `${id}: no answer: ${error}`);
    const type = response.headers.get('content-type')?.split(';')[0] ?? '';
    const body = response.ok ? data : error;
    expect(response.status === status, `${id}: ${response.status} instead of ${status}: ${JSON.stringify(body)}`);
    const said = contentOf(id, status)[type];
    expect(said, `${id} ${status}: the document has no ${type}`);
    if (!(body instanceof ReadableStream)) check(`${id} ${status}`, body, said.schema);
    console.log(`ok      ${id} ${status} ${type}`);
    return answer;
}

async function step(what: string, does: () => Promise<void>): Promise<void> {
    try {
        await does();
    } catch (error) {
        ++failures;
        console.log(`FAILED  ${what}: ${error instanceof Error ? error.message : error}`);
    }
}

// Of a stream what comes until it is enough; then it is hung up on.
async function take(stream: unknown, enough: (text: string) => boolean): Promise<string> {
    const reader = (stream as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    let text = '';
    while (!enough(text)) {
        const {done, value} = await reader.read();
        if (done) break;
        text += decoder.decode(value, {stream: true});
    }
    await reader.cancel();
    return text;
}

function checkLines(id: string, text: string): number {
    const item = contentOf(id, 200)['application/x-ndjson'].schema['x-reeve-item'];
    const lines = text.split('\n').filter((line) => line !== '');
    for (const line of lines) check(`${id}: a line`, JSON.parse(line), item);
    return lines.length;
}

function checkEvent(event: reeve.Event): void {
    check('an event', event, {$ref: '#/components/schemas/Event'});
    check(event.event, event.data, document.components.schemas.Event['x-reeve-data'][event.event]);
}

const overUnix = place!.startsWith('unix:');
const agent = overUnix ? new Agent({connect: {socketPath: place!.slice(5)}}) : undefined;
const where = overUnix
    ? {baseUrl: 'http://localhost',
       fetch: ((request: Request) => fetch(request, {dispatcher: agent} as RequestInit)) as typeof fetch}
    : {baseUrl: place!};
const client = createClient({...where, auth: token});
const stranger = createClient(where);
const web = {client, path: {target: 'web'}};
const ndjson = {headers: {Accept: 'application/x-ndjson'}};

async function looks(): Promise<void> {
    await step('getStatus', async () => {
        const {data} = await call('getStatus', 200, reeve.getStatus({client}));
        const states = data!.programs.map((it): [string, reeve.ProgramStatus['state'], number | null] =>
            [it.name, it.state, it.pid]);
        expect(states.some(([name, state, pid]) => name === 'web@2' && state === 'running' && pid! > 0),
               'web@2 runs');
        expect(data!.programs.some((it) => it.last_exit?.code === 3), 'broken has exited with 3');
    });
    await step('getProgram', async () => {
        const {data} = await call('getProgram', 200, reeve.getProgram(web));
        expect(data!.instances.length === 2 && data!.runs[0]!.started, 'two instances and their runs');
        expect(data!.config.every((it) => it.key !== ''), 'its keys');
        const {error} = await call('getProgram', 404,
                                   reeve.getProgram({client, path: {target: 'wep'}}));
        expect(error!.error.code === 'no_such_program' && error!.error.hint?.includes('web'), 'a hint');
    });
    await step('getTree', async () => {
        const {data} = await call('getTree', 200, reeve.getTree({client}));
        expect(data!.programs[0]!.processes[0]!.main, 'the main process');
    });
    await step('getZombies', async () => {
        const {data} = await call('getZombies', 200, reeve.getZombies({client}));
        expect(Array.isArray(data!.zombies), 'a list');
    });
    await step('getDoctor', async () => {
        const {data} = await call('getDoctor', 200, reeve.getDoctor({client}));
        expect(data!.findings.length > 0 && data!.findings[0]!.subject, 'findings');
    });
}

async function logs(): Promise<void> {
    await step('getLogs', async () => {
        const {data} = await call('getLogs', 200, reeve.getLogs({...web, query: {lines: 'all'}}));
        expect(data!.includes('web@1 | listening'), `what both wrote: ${data}`);
        const {data: one} = await call('getLogs', 200, reeve.getLogs({
            client, path: {target: 'web@1,web@2'}, ...ndjson, parseAs: 'text',
            query: {lines: '20', since: '1h', stream: 'stdout', marks: true, previous: false}}));
        expect(checkLines('getLogs', one!) >= 2, 'lines as JSON');
        const {error} = await call('getLogs', 400, reeve.getLogs({...web, query: {since: 'soon'}}));
        expect(error!.error.code === 'bad_request', 'a wrong moment');
        const {error: none} = await call('getLogs', 404, reeve.getLogs({...web, query: {run: 99}}));
        expect(none!.error.code === 'no_such_run', 'a run that was not');
    });
    await step('getLogs with follow', async () => {
        const {data} = await call('getLogs', 200, reeve.getLogs({
            ...web, ...ndjson, parseAs: 'stream', query: {follow: true, present: true}}));
        const text = await take(data, (it) => it.includes('\n\n'));
        expect(checkLines('getLogs', text) > 0, 'lines, and more to come');
    });
    await step('getOwnLog', async () => {
        const {data} = await call('getOwnLog', 200, reeve.getOwnLog({client, query: {lines: '5'}}));
        expect(data!.length > 0, 'its own log');
        const {data: lines} = await call('getOwnLog', 200,
                                         reeve.getOwnLog({client, ...ndjson, parseAs: 'text'}));
        expect(checkLines('getOwnLog', lines!) > 0, 'as JSON');
    });
    await step('getEvents', async () => {
        // What is a type of the generated client, and no text that somebody has to take apart.
        const ended = new AbortController();
        const kinds = new Set<reeve.Event['event']>();
        called.add('getEvents');
        const {stream} = await reeve.getEvents({
            client, query: {since: 0}, signal: ended.signal, sseMaxRetryAttempts: 1,
            onSseError: (error) => { if (!ended.signal.aborted) throw error; }});
        for await (const event of stream) {
            checkEvent(event);
            kinds.add(event.event);
            if (kinds.has('program.state') && kinds.has('program.exit') && kinds.has('program.request')) break;
        }
        ended.abort();
        expect(kinds.size > 3, `kinds of events: ${[...kinds]}`);
        console.log(`ok      getEvents 200 text/event-stream, ${kinds.size} kinds`);
        const {error} = await call('getEvents', 400, client.get<
            reeve.GetEventsResponses, reeve.GetEventsErrors>({
                url: '/v1/events', query: {since: -1}, security: [{scheme: 'bearer', type: 'http'}]}));
        expect((error as reeve.Error).error.code === 'bad_request', 'no such number');
    });
}

async function acts(): Promise<void> {
    const actions = {start: reeve.start, stop: reeve.stop, restart: reeve.restart,
                     reload: reeve.reload, reset: reeve.reset};
    for (const id of ['stop', 'start', 'restart', 'reload', 'reset'] as const) {
        await step(id, async () => {
            // With a body, with an empty one, with none.
            for (const body of [{wait: true, timeout: '10s'}, {}, undefined]) {
                const {data} = await call(id, 200, actions[id]({...web, body}));
                expect(data!.ok && data!.results.length === 2, JSON.stringify(data));
            }
            const {error} = await call(id, 404, actions[id]({client, path: {target: 'wep'}}));
            expect(error!.error.code === 'no_such_program', JSON.stringify(error));
            const {error: bad} = await call(id, 400, actions[id]({...web, body: {timeout: 'soon'}}));
            expect(bad!.error.code === 'bad_json' || bad!.error.code === 'bad_request', JSON.stringify(bad));
        });
    }
    await step('restart, rolling', async () => {
        const {data} = await call('restart', 200, reeve.restart({...web, body: {rolling: true}}));
        expect(data!.ok, 'one after the other');
    });
    await step('start of what fails', async () => {
        const {data} = await call('start', 200, reeve.start({client, path: {target: 'broken'}}));
        const [result] = data!.results;
        expect(!data!.ok && result!.state === 'failed' && result!.last_lines[0] === 'no configuration',
               JSON.stringify(data));
    });
    await step('signal', async () => {
        const {data} = await call('signal', 200, reeve.signal({...web, body: {signal: 'CONT', scope: 'tree'}}));
        expect(data!.ok, 'sent');
        await call('signal', 200, reeve.signal({...web, body: {signal: 'CONT', scope: null, timeout: null}}));
        const {error} = await call('signal', 400, reeve.signal({...web, body: {signal: 'NONSENSE'}}));
        expect(error!.error.code === 'bad_signal', 'no such signal');
    });
    await step('scale', async () => {
        for (const instances of [3, 2]) {
            const {data} = await call('scale', 200, reeve.scale({...web, body: {instances}}));
            expect(data!.ok, JSON.stringify(data));
        }
    });
    await step('run and remove', async () => {
        const body: reeve.RunRequest = {name: 'jobs', program: {command: ['sleep', '86400'], ready: {after: '0s'}}};
        const {data} = await call('run', 200, reeve.run({client, body}));
        expect(data!.ok && data!.results[0]!.name === 'jobs', JSON.stringify(data));
        const {error} = await call('run', 409, reeve.run({client, body}));
        expect(error!.error.code === 'conflict', 'a name that is taken');
        const {error: bad} = await call('run', 422, reeve.run({
            client, body: {program: {command: 'true', nonsense: 1}}}));
        expect(bad!.error.code === 'bad_config', 'a key that there is not');
        const target = {client, path: {target: 'jobs'}};
        expect((await call('remove', 200, reeve.remove(target))).data!.ok, 'removed');
        await call('remove', 404, reeve.remove(target));
        const {error: kept} = await call('remove', 409, reeve.remove(web));
        expect(kept!.error.code === 'conflict', 'what a file names is not removed');
    });
    await step('attach', async () => {
        const {error} = await call('attach', 409, reeve.attach({
            client, path: {target: 'web@1'}, query: {rows: 24, columns: 80}}));
        expect(error!.error.code === 'conflict', 'it has no terminal');
        // What follows "101 Switching Protocols" is no HTTP, and so no generated client's.
        const {error: alone} = await call('attach', 426,
                                          reeve.attach({client, path: {target: 'terminal'}}));
        expect(alone!.error.code === 'upgrade_required', 'HTTP alone cannot do it');
    });
}

async function configures(): Promise<void> {
    await step('diffConfig and applyConfig', async () => {
        const same = await call('diffConfig', 200, reeve.diffConfig({client, body: {}}));
        expect(same.data!.ok, JSON.stringify(same.data));
        writeFileSync(configFile!, `${config}[program.late]\ncommand = "sleep 86400"\nready = { after = "0s" }\n`);
        const {data} = await call('diffConfig', 200, reeve.diffConfig({client}));
        expect(data!.differs && data!.programs.some((it) => it.program === 'late' && it.action === 'start'),
               JSON.stringify(data));
        const {data: done} = await call('applyConfig', 200,
                                        reeve.applyConfig({client, body: {timeout: '10s'}}));
        expect(done!.ok && done!.results.some((it) => it.name === 'late'), JSON.stringify(done));
        writeFileSync(configFile!, 'nonsense = 1\n');
        const {error} = await call('diffConfig', 422, reeve.diffConfig({client}));
        expect(error!.error.code === 'bad_config', JSON.stringify(error));
        const {error: refused} = await call('applyConfig', 422, reeve.applyConfig({client}));
        expect(refused!.error.code === 'bad_config', JSON.stringify(refused));
        writeFileSync(configFile!, config);
        expect((await call('applyConfig', 200, reeve.applyConfig({client}))).data!.ok, 'as before');
    });
}

async function probes(): Promise<void> {
    // Without a token: nothing of it is asked for here.
    await step('livez', async () => {
        expect((await call('livez', 200, reeve.livez({client: stranger}))).data === 'alive\n', 'alive');
    });
    await step('readyz', async () => {
        expect((await call('readyz', 200, reeve.readyz({client: stranger}))).data === 'ready\n', 'ready');
    });
    await step('metrics', async () => {
        const {data} = await call('metrics', 200, reeve.metrics({client: stranger}));
        expect(data!.includes('reeve_program_up{program="web",number="1"} 1'), 'samples');
        const {data: open} = await call('metrics', 200, reeve.metrics({
            client: stranger, headers: {Accept: 'application/openmetrics-text'}, parseAs: 'text'}));
        expect(open!.endsWith('# EOF\n'), 'as OpenMetrics');
    });
    await step('without a token', async () => {
        if (overUnix) return;
        const {error} = await call('getStatus', 401, reeve.getStatus({client: stranger}));
        expect(error!.error.code === 'unauthorized', 'refused');
        const {error: wrong} = await call('stop', 401, reeve.stop({
            client: createClient({...where, auth: 'wrong'}), path: {target: 'web'}}));
        expect(wrong!.error.code === 'unauthorized', 'refused');
    });
    for (const [id, of] of [['dashboard', reeve.dashboard], ['upgrade', reeve.upgrade]] as const) {
        await step(id, async () => {
            if (!operations.get(id)['x-reeve-not-in-this-version']) return;
            const {error} = await call(id, 501, of({client}));
            expect(error!.error.code === 'not_in_this_version', 'a later version has it');
        });
    }
}

async function main(): Promise<void> {
    await step('all are up', async () => {
        await call('start', 200, reeve.start({client, path: {target: '*'}}));
    });
    await looks();
    await acts();
    await logs();
    await configures();
    await probes();
    await step('shutdown', async () => {
        const {data} = await call('shutdown', 202, reeve.shutdown({client, body: {reason: 'enough'}}));
        expect(data!.ok && data!.pid > 0, JSON.stringify(data));
    });
    for (const id of operations.keys())
        await step(id, async () => expect(called.has(id), 'it was never called'));
    process.exit(failures ? 1 : 0);
}

void main();
