<?php
// SPDX-License-Identifier: ISC
// php_router.php: what was posted, else the file itself; for php.py.
if ($_SERVER['REQUEST_METHOD'] !== 'POST')
	return false;
header('Content-Type: text/plain');
echo hash('sha256', file_get_contents('php://input')), "\n";
