'use strict';

// kill -9 at random moments: every entry whose hook returned reaches the collector, always with the same time.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { Collector, Mta, accept, answer, temporaryFolder, until } = require('./harness');

const ROUNDS = Number(process.env.PLUGIN_CRASH_ROUNDS || 6);
const SEED = Number(process.env.PLUGIN_CRASH_SEED || Date.now() % 1000000);

/** Return a generator of numbers in [0, 1) with a seed, so that a failure can be repeated (mulberry32). */
function generator(seed) {
    let state = seed;
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
}

function faulty(random) {
    return (request, response) => {
        const dice = random();
        if (dice < 0.2) {
            answer(503)(request, response);
        } else if (dice < 0.3) {
            response.socket.resetAndDestroy();
        } else {
            accept(request, response);
        }
    };
}

test(`kill -9 loses no entry whose hook returned (seed ${SEED}, ${ROUNDS} rounds)`, { timeout: 240000 }, async t => {
    const random = generator(SEED);
    const collector = await Collector.start(t, faulty(random));
    const folder = temporaryFolder(t);
    const settings = { url: collector.url, spool: path.join(folder, 'spool'), batchEvents: 50 };
    const recorders = [];
    for (let round = 0; round < ROUNDS; round += 1) {
        const contexts = ['main', 'sender', 'receiver'];
        const processes = await Promise.all(contexts.map(context => Mta.start(t, settings, context)));
        for (const [n, mta] of processes.entries()) {
            const file = path.join(folder, `seen-${round}-${n}`);
            recorders.push(file);
            await mta.tell('storm', { file });
        }
        await new Promise(resolve => setTimeout(resolve, 30 + random() * 400));
        processes.forEach(mta => assert.deepEqual([mta.exit, mta.errors], [null, '']));
        await Promise.all(processes.map(mta => mta.kill()));
    }
    const seen = recorders.flatMap(file => fs.readFileSync(file, 'utf8').split('\n').filter(Boolean));
    assert.ok(seen.length > ROUNDS * 3);
    collector.usual = accept;
    const last = await Mta.start(t, settings, 'main');
    await until('every entry', () => collector.has(seen));
    await until('the spools to go', () => fs.readdirSync(settings.spool).length === 1);
    const stamps = new Map();
    for (const { entry, time } of collector.events) {
        assert.equal(stamps.get(entry.id) || time, time);
        stamps.set(entry.id, time);
    }
    // A process may have been killed after the hook wrote an entry and before it returned: one entry for each process.
    assert.ok(stamps.size - seen.length <= ROUNDS * 3, `${stamps.size} sent, ${seen.length} seen`);
    assert.deepEqual([last.exit, last.errors], [null, '']);
});
