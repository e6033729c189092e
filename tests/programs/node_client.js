// SPDX-License-Identifier: ISC
// node_client.js URL [UPLOAD]: what fetch.py's server has, or one page, for node.py.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');

const [url, upload] = process.argv.slice(2);

function ask(agent, path, method, body) {
	return new Promise((resolve, reject) => {
		const request = http.request(url + path, { agent, method }, (response) => {
			const parts = [];
			response.on('data', (part) => parts.push(part));
			response.on('error', reject);
			response.on('end', () => resolve([response, Buffer.concat(parts)]));
		});
		request.on('error', reject);
		request.end(body);
	});
}

async function tell(agent, path, method, body) {
	const [response, text] = await ask(agent, path, method, body);
	const digest = crypto.createHash('sha256').update(text).digest('hex');
	console.log(response.statusCode, response.headers['content-length'],
		response.headers.location, text.length, digest);
}

async function main() {
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	if (!upload) {
		process.stdout.write((await ask(agent, '', 'GET'))[1]);
		agent.destroy();
		return;
	}
	for (const path of ['/small', '/empty', '/none', '/again', '/big'])
		await tell(agent, path, 'GET');
	await tell(agent, '/big', 'HEAD');
	await tell(agent, '/post', 'POST', fs.readFileSync(upload));
	agent.destroy();
	// Twelve at once, on connections of their own.
	const many = new http.Agent({ keepAlive: false });
	await Promise.all(Array.from({ length: 12 }, () => tell(many, '/small', 'GET')));
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
