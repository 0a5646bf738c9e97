'use strict';

// The spools of dead processes are claimed by one master and sent; those of processes that were only stopped lose
// nothing.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { Collector, Mta, accept, afterwards, answer, range, temporaryFolder, until } = require('./harness');

const line = (id, time) =>
    `{"time":${time},"context":"sender","entry":{"id":"${id}","seq":"001","action":"ACCEPTED"}}\n`;
const spoolId = n => n.toString(16).padStart(16, '0');
const spoolsIn = folder => fs.readdirSync(folder).filter(name => /^[0-9a-f]{16}(\.|$)/.test(name));

/** A spool as a process leaves it that died a while ago on another machine; `segments` are texts. */
function leave(root, id, segments, note = {}) {
    const folder = path.join(root, id);
    fs.mkdirSync(folder, { recursive: true });
    segments.forEach((text, i) => fs.writeFileSync(path.join(folder, `${i + 1}.jsonl`), text));
    fs.writeFileSync(
        path.join(folder, 'owner.json'),
        JSON.stringify({ holder: id, cluster: 'eu1', host: 'gone1', ...note })
    );
    const then = new Date(Date.now() - 3600000);
    fs.utimesSync(path.join(folder, 'owner.json'), then, then);
}

test('The master sends what a killed process left, in order, under its own name, and says farewell for it', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool, cluster: 'eu7', host: 'other7' });
    await mta.emit(range('x', 1500));
    await mta.kill();
    const [id] = spoolsIn(spool);
    collector.usual = accept;
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('all', () => collector.has(range('x', 1500)));
    assert.deepEqual(collector.ids, range('x', 1500));
    const own = collector.taken.filter(request => request.body.plugin.process === id);
    assert.ok(own.every(request => request.body.cluster === 'eu7' && request.body.host === 'other7'));
    const { plugin } = own[own.length - 1].body;
    assert.deepEqual([plugin.spool_bytes, plugin.oldest_unsent], [0, null]);
    await until('the spool to go', () => spoolsIn(spool).length === 1);
});

test('A spool with nothing to send gets its farewell all the same', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), ['']);
    await Mta.start(t, { url: collector.url, spool }, 'main');
    const [farewell] = await until('the farewell', () => {
        const found = collector.taken.filter(request => request.body.plugin.process === spoolId(1));
        return found.length && found;
    });
    assert.deepEqual([farewell.body.events, farewell.body.plugin.spool_bytes], [[], 0]);
    await until('the spool to go', () => !spoolsIn(spool).some(name => name.startsWith(spoolId(1))));
});

test('Only the master claims', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), [line('a', Date.now())]);
    const sender = await Mta.start(t, { url: collector.url, spool }, 'sender');
    await sender.emit(['own']);
    await until('its own', () => collector.has(['own']));
    assert.ok(fs.existsSync(path.join(spool, spoolId(1))));
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the claimed', () => collector.has(['a']));
});

test('Of two masters on one folder each spool has one claimer', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    const ids = range('x', 60);
    ids.forEach((id, n) => leave(spool, spoolId(n + 1), [line(id, Date.now())]));
    // Long enough that on a busy machine no claimer is taken for dead itself.
    const masters = await Promise.all(
        [1, 2, 3].map(() => Mta.start(t, { url: collector.url, spool, deadAfter: 4000 }, 'main'))
    );
    await until('all', () => collector.has(ids));
    await until('the spools to go', () => spoolsIn(spool).length === masters.length);
    assert.deepEqual([...collector.ids].sort(), ids);
    const claims = masters.flatMap(master => master.said('Claimed the spool of process'));
    assert.equal(claims.length, ids.length);
});

test('A torn last line is never sent, never joined to another, and keeps nothing behind it back', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    const whole = [line('a', 1000), line('b', 2000), line('c', 3000)];
    leave(spool, spoolId(1), [whole[0] + whole[1].slice(0, 30), whole[2], `${whole[1].slice(0, -1)}`]);
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the whole ones', () => collector.has(['a', 'c']));
    await until('the spool to go', () => spoolsIn(spool).length === 1);
    assert.deepEqual(collector.ids, ['a', 'c']);
});

test('What a power cut made of a line is counted as dropped and spoils no batch', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), [`${line('a', 1000)}${'\0'.repeat(50)}\n{"time":5,"context":"sen\n${line('b', 2000)}`]);
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('both', () => collector.has(['a', 'b']));
    const own = collector.taken.filter(request => request.body.plugin.process === spoolId(1));
    assert.equal(own[own.length - 1].body.plugin.dropped, 2);
});

test('The count of dropped events outlives its process', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool, maxSpoolBytes: 65536 });
    await mta.emit(range('x', 1000), { response: 'y'.repeat(400) });
    await mta.kill();
    const [id] = spoolsIn(spool);
    collector.usual = accept;
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the newest', () => collector.has(['x00999']));
    const own = collector.taken.filter(request => request.body.plugin.process === id);
    assert.equal(own[own.length - 1].body.plugin.dropped, 1000 - new Set(collector.ids).size);
});

test("A dead claimer's spools are claimed in their turn", async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), [line('a', Date.now())]);
    const first = await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the claim', () => first.said('Claimed').length);
    await first.kill();
    collector.usual = accept;
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the event', () => collector.has(['a']));
    const [request] = collector.taken.filter(taken => taken.body.events.length);
    assert.deepEqual(
        [request.body.cluster, request.body.host, request.body.plugin.process],
        ['eu1', 'gone1', spoolId(1)]
    );
    await until('the spools to go', () => spoolsIn(spool).length === 1);
});

test('A spool whose heartbeat lies in the future is claimed once it was watched long enough', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), [line('a', Date.now())]);
    const ahead = new Date(Date.now() + 7200000);
    fs.utimesSync(path.join(spool, spoolId(1), 'owner.json'), ahead, ahead);
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the event', () => collector.has(['a']));
});

test('A living process keeps its spool', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool });
    await mta.emit(['a']);
    const [id] = spoolsIn(spool);
    const master = await Mta.start(t, { url: collector.url, spool }, 'main');
    leave(spool, spoolId(1), [line('b', Date.now())]);
    await until('a claim of the dead one', () => master.said('Claimed').length);
    assert.ok(spoolsIn(spool).includes(id));
    assert.equal(master.said(id).length, 0);
});

test('A process whose spool was claimed while it was stopped goes on in a new one and loses nothing', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool });
    await mta.emit(['a']);
    const [id] = spoolsIn(spool);
    mta.child.kill('SIGSTOP');
    const master = await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the claim', () => master.said(`Claimed the spool of process ${id}`).length);
    collector.usual = accept;
    await until('the spool to go', () => master.said(`The spool of process ${id} is sent`).length);
    const done = mta.emit(['b', 'c']);
    mta.child.kill('SIGCONT');
    await done;
    await until('all', () => collector.has(['a', 'b', 'c']));
    const last = collector.taken.filter(request => request.body.events.some(event => event.entry.id === 'c'));
    assert.notEqual(last[0].body.plugin.process, id);
    assert.deepEqual([mta.exit, mta.errors], [null, '']);
});

test('What a claimed spool still gets through an open file is sent before the spool goes', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), [line('a', Date.now())]);
    const open = fs.openSync(path.join(spool, spoolId(1), '1.jsonl'), 'a');
    afterwards(t, () => fs.closeSync(open));
    const master = await Mta.start(t, { url: collector.url, spool, deadAfter: 3000 }, 'main');
    await until('the first', () => collector.has(['a']));
    assert.equal(master.said('is sent').length, 0);
    fs.writeSync(open, line('b', Date.now()));
    await until('the late one', () => collector.has(['b']));
    await until('the spool to go', () => master.said('is sent').length);
});

test('Claimed spools share one quota, and what goes is counted', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    const segment = n =>
        range(`s${n}-`, 200)
            .map(id => line(id, 1000))
            .join('');
    [1, 2, 3].forEach(n => leave(spool, spoolId(n), [segment(`${n}a`), segment(`${n}b`), segment(`${n}c`)]));
    const master = await Mta.start(t, { url: collector.url, spool, maxSpoolBytes: 65536 }, 'main');
    await until('the word', () => master.said('The claimed spools are too large').length);
    collector.usual = accept;
    await until('the spools to go', () => master.said('is sent').length === 3);
    const reports = new Map(collector.taken.map(({ body }) => [body.plugin.process, body.plugin.dropped]));
    const dropped = [1, 2, 3].reduce((sum, n) => sum + reports.get(spoolId(n)), 0);
    assert.equal(dropped, 1800 - collector.ids.length);
    assert.ok(dropped > 0);
});
