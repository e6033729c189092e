// SPDX-License-Identifier: ISC
// node_server.js PORT ROOT [rr | none]: files, and what was posted, for node.py.
// With rr or none: two workers of a cluster, and how they share the listener.
'use strict';
const cluster = require('cluster');
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');

const [port, root, share] = process.argv.slice(2);

function post(request, response) {
	const hash = crypto.createHash('sha256');
	request.on('data', (part) => hash.update(part));
	request.on('end', () => response.end(hash.digest('hex') + '\n'));
}

function get(request, response) {
	const file = path.join(root, request.url.split('?')[0]);
	fs.stat(file, (error, stat) => {
		if (error) {
			response.writeHead(404, { 'Content-Type': 'text/plain' });
			response.end('none\n');
			return;
		}
		response.writeHead(200, { 'Content-Length': stat.size });
		fs.createReadStream(file).pipe(response);
	});
}

if (share && (cluster.isPrimary || cluster.isMaster)) {
	cluster.schedulingPolicy = share === 'rr' ? cluster.SCHED_RR : cluster.SCHED_NONE;
	cluster.fork();
	cluster.fork();
} else {
	http.createServer((request, response) => {
		console.log(process.pid, request.socket.remoteAddress, request.url);
		(request.method === 'POST' ? post : get)(request, response);
	}).on('error', (error) => {
		console.error(error.code === 'EADDRINUSE' ? 'in use' : error);
		process.exit(1);
	}).listen(Number(port), '127.0.0.1');
}
