# SPDX-License-Identifier: ISC
#
# Makes the system user that a relay started by root becomes. Only for an
# installation into the running system by root; without it the relay becomes
# `nobody`, so a failure is a message, not an error.
execute_process(COMMAND id -u OUTPUT_VARIABLE uid
	OUTPUT_STRIP_TRAILING_WHITESPACE)
if(uid STREQUAL "0" AND "$ENV{DESTDIR}" STREQUAL ""
		AND CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?/?$")
	execute_process(COMMAND getent passwd _securesockets
		RESULT_VARIABLE missing OUTPUT_QUIET)
	if(missing)
		execute_process(COMMAND useradd --system --no-create-home
			--home-dir /nonexistent --shell /usr/sbin/nologin
			--user-group _securesockets RESULT_VARIABLE failed)
		if(failed)
			message("-- No user _securesockets: relays of root's"
				" programs will run as nobody")
		endif()
	endif()
endif()
