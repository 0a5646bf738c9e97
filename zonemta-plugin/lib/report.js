'use strict';

// The body of a request: the events of one spool, and the heartbeat of its process.

/**
 * Returns the body for `source`, an own or a claimed spool. Without a `batch` it is only a heartbeat.
 * Bytes and oldest event are those that remain once this body is acknowledged. The lines of the spool become events of
 * the body unchanged. `contexts` are those in which this process has loaded the plugin: the collector combines those of
 * a host's processes to detect a missing one.
 * @param {import('./spool').Source} source
 * @param {import('./spool').Batch | null} batch
 * @param {string} version
 */
function writeBody(source, batch, version) {
    const left = source.remaining(batch);
    const plugin = {
        version,
        process: source.id,
        contexts: source.contexts,
        spool_bytes: left.bytes,
        oldest_unsent: left.oldest,
        dropped: source.dropped + ((batch && batch.unreadable) || 0)
    };
    const head = JSON.stringify({ cluster: source.cluster, host: source.host, plugin });
    return `${head.slice(0, -1)},"events":[${batch ? batch.lines.join(',') : ''}]}`;
}

module.exports = { writeBody };
