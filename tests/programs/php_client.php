<?php
// SPDX-License-Identifier: ISC
// php_client.php URL [UPLOAD]: what fetch.py's server has, or one page, for php.py.
[, $url, $upload] = array_pad($argv, 3, null);

function ask($url, $method = 'GET', $body = null)
{
	$options = ['method' => $method, 'ignore_errors' => true, 'follow_location' => 0];
	if ($body !== null) {
		$options['content'] = $body;
		$options['header'] = 'Content-Type: application/octet-stream';
	}
	$got = file_get_contents($url, false, stream_context_create(['http' => $options]));
	if ($got === false)
		exit(1);
	return [$http_response_header[0], strlen($got), hash('sha256', $got)];
}

// A stream without a wrapper, and without an end of its own.
function talk($url)
{
	$at = parse_url($url);
	$s = stream_socket_client("tcp://{$at['host']}:{$at['port']}", $code, $text);
	if ($s === false)
		exit(1);
	fwrite($s, "GET /small HTTP/1.1\r\nHost: x\r\n\r\nGET /small HTTP/1.1\r\n" .
		"Host: x\r\nConnection: close\r\n\r\n");
	stream_set_blocking($s, false);
	for ($got = ''; !feof($s); $got .= fread($s, 8192)) {
		[$read, $none] = [[$s], null];
		if (stream_select($read, $none, $none, 60) !== 1)
			exit(1);
	}
	return [stream_get_meta_data($s)['timed_out'], substr_count($got, "small\n")];
}

// One that waits: fsockopen(), and the end of one half.
function half($url)
{
	$at = parse_url($url);
	$s = fsockopen($at['host'], $at['port']);
	if ($s === false)
		exit(1);
	fwrite($s, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
	stream_socket_shutdown($s, STREAM_SHUT_WR);
	return substr_count(stream_get_contents($s), "small\n");
}

if ($upload === null) {
	$got = file_get_contents($url);
	echo $got;
	exit($got === false ? 1 : 0);
}
foreach (['/small', '/empty', '/none', '/again', '/big'] as $path)
	echo json_encode(ask($url . $path)), "\n";
echo json_encode(ask($url . '/big', 'HEAD')), "\n";
echo json_encode(ask($url . '/post', 'POST', file_get_contents($upload))), "\n";
echo json_encode([talk($url), half($url)]), "\n";
