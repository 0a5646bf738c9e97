'use strict';

// A log entry of any content becomes one line of the spool, with a time that no other event of its name has.

const assert = require('node:assert');
const path = require('node:path');
const test = require('node:test');

const lib = name => require(path.join(__dirname, '../../zonemta-plugin/lib', name));
const { keep, isIgnored } = lib('entry');
const { Attempts } = lib('attempts');
const { Clock } = lib('clock');

function kept(entry) {
    const line = keep(entry, 'sender', new Clock(() => 1000), new Attempts());
    assert.ok(line.endsWith('\n') && line.indexOf('\n') === line.length - 1);
    assert.ok(Buffer.byteLength(line) <= 1024 * 1024);
    return JSON.parse(line);
}

const circular = { action: 'X', id: 'a' };
circular.self = circular;
const nest = depth => Array.from({ length: depth }).reduce(inner => ({ inner }), 'end');

const CASES = [
    ['a plain one', { action: 'X', n: 1, b: false, s: 'ä', z: null }, { action: 'X', n: 1, b: false, s: 'ä', z: null }],
    [
        'undefined, functions and symbols are left out',
        { action: 'X', u: undefined, f: () => 1, s: Symbol('s') },
        { action: 'X' }
    ],
    [
        'a date',
        { action: 'X', d: new Date(0), e: new Date(NaN) },
        { action: 'X', d: '1970-01-01T00:00:00.000Z', e: null }
    ],
    ['bytes', { action: 'X', b: Buffer.from('hi'), u: new Uint8Array([104, 105]) }, { action: 'X', b: 'hi', u: 'hi' }],
    ['a BigInt', { action: 'X', s: 5n, l: 2n ** 80n }, { action: 'X', s: 5, l: '1208925819614629174706176' }],
    ['no numbers', { action: 'X', n: NaN, i: Infinity }, { action: 'X', n: null, i: null }],
    ['a circle', circular, { action: 'X', id: 'a', self: '[circular]' }],
    ['an error', { action: 'X', e: new Error('no') }, { action: 'X', e: 'no' }],
    ['maps and sets', { action: 'X', m: new Map([['a', 1]]), s: new Set([1]) }, { action: 'X', m: [['a', 1]], s: [1] }],
    ['an object with a text of its own', { action: 'X', o: { toJSON: () => '65a0' } }, { action: 'X', o: '65a0' }],
    [
        'a toJSON that throws',
        {
            action: 'X',
            o: {
                toJSON: () => {
                    throw new Error();
                }
            }
        },
        { action: 'X', o: '[unreadable]' }
    ],
    ['a toJSON of the entry itself is not asked', { action: 'X', toJSON: () => ({}) }, { action: 'X' }],
    ['a list with holes', { action: 'X', l: [1, undefined, 'a'] }, { action: 'X', l: [1, null, 'a'] }],
    ['line breaks and NUL', { action: 'X', s: 'a\r\n\u2028\0' }, { action: 'X', s: 'a\r\n\u2028\0' }],
    ['a lone surrogate', { action: 'X', s: '\ud800' }, { action: 'X', s: '\ud800' }]
];

for (const [what, entry, expected] of CASES) {
    test(`An entry is spooled: ${what}`, () => {
        assert.deepEqual(kept(entry), { time: 1000, context: 'sender', entry: expected });
    });
}

test('A getter that throws loses its own field only', () => {
    const entry = { action: 'X', id: 'a', to: 'b' };
    Object.defineProperty(entry, 'bad', {
        enumerable: true,
        get: () => {
            throw new Error('no');
        }
    });
    assert.deepEqual(kept(entry).entry, { action: 'X', id: 'a', to: 'b', bad: '[unreadable]' });
});

test('A member named __proto__ is spooled like any other', () => {
    const entry = JSON.parse('{"action":"X","__proto__":{"a":1}}');
    assert.ok(keep(entry, 'sender', new Clock(() => 1), new Attempts()).includes('"__proto__":{"a":1}'));
});

test('Depth, number of members and length are limited, and the event is kept', () => {
    assert.equal(kept({ action: 'X', o: nest(20000) }).entry.action, 'X');
    assert.equal(kept({ id: 'a', action: 'X', s: 'y'.repeat(5e6) }).entry.id, 'a');
    assert.equal(kept({ id: 'a', action: 'X', s: '\0'.repeat(5e6) }).entry.id, 'a');
    assert.equal(kept({ id: 'a', action: 'X', l: Array(1e5).fill({ a: 1 }) }).entry.id, 'a');
});

test('An entry whose members cannot be read is reduced to the fields of its name', () => {
    const hostile = new Proxy(
        { id: 'a', seq: '001', action: 'X', to: 'b' },
        {
            ownKeys: () => {
                throw new Error('no');
            }
        }
    );
    assert.deepEqual(kept(hostile).entry, { id: 'a', seq: '001', action: 'X', reduced: true });
});

test('A value that is not an entry is not spooled', () => {
    const hostile = new Proxy(
        {},
        {
            get: () => {
                throw new Error();
            },
            ownKeys: () => {
                throw new Error();
            }
        }
    );
    for (const entry of [undefined, null, 'text', 5, hostile]) {
        assert.equal(keep(entry, 'sender', new Clock(), new Attempts()), null);
        assert.equal(isIgnored(entry), false);
    }
});

test('The entry of ZoneMTA is not changed', () => {
    const entry = Object.freeze({ action: 'X', to: Object.freeze(['a']) });
    kept(entry);
    assert.deepEqual(entry, { action: 'X', to: ['a'] });
});

test('Queue polls are the only entries that are ignored', () => {
    assert.equal(isIgnored({ action: 'QUEUE_POLL' }), true);
    assert.equal(isIgnored({ action: 'QUEUED' }), false);
    assert.equal(isIgnored({}), false);
});

test('Two events of one name in a millisecond get two times, and events of other names the same time', () => {
    const clock = new Clock(() => 1000);
    const names = ['a', 'b', 'a', 'a', 'b', 'c'];
    assert.deepEqual(
        names.map(name => clock.stamp(name)),
        [1000, 1000, 1001, 1002, 1002, 1002]
    );
});

test('A clock that is set back a little is waited for, and one that is set back far is followed', () => {
    let now = 500000;
    const clock = new Clock(() => now);
    assert.equal(clock.stamp('a'), 500000);
    now = 499000;
    assert.equal(clock.stamp('b'), 500000);
    assert.equal(clock.stamp('a'), 500001);
    now = 300000;
    assert.equal(clock.stamp('a'), 300000);
});

test('A clock that stands still does not fill the memory, and each name and time stays unique', () => {
    const clock = new Clock(() => 1000);
    const seen = new Set();
    for (let i = 0; i < 50000; i += 1) {
        seen.add(`${i % 7000}@${clock.stamp(String(i % 7000))}`);
        assert.ok(clock.names.size <= 10000);
    }
    assert.equal(seen.size, 50000);
});

test('The name is made of queue id, seq, action, attempt and bounce type, and of nothing else', () => {
    const base = { id: 'a', seq: '001', action: 'DEFERRED', defcount: 1, bounceType: 'delayed' };
    const clock = new Clock(() => 1000);
    const time = entry => JSON.parse(keep(entry, 'sender', clock, new Attempts())).time;
    assert.equal(time(base), 1000);
    const others = ['id', 'seq', 'action', 'defcount', 'bounceType'].map(key => ({ ...base, [key]: 'other' }));
    assert.deepEqual(others.map(time), [1000, 1000, 1000, 1000, 1000]);
    assert.equal(time({ ...base, to: 'someone else' }), 1001);
});
