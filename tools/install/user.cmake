# SPDX-License-Identifier: ISC
#
# Makes the system user that a relay started by root becomes, and the group that may
# read what `sstool deploy --publish` writes. Only for an installation into the
# running system by root; without the user the relay becomes `nobody`, and sstool says
# which group is missing, so a failure is a message, not an error.
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
	execute_process(COMMAND getent group ssl-cert
		RESULT_VARIABLE missing OUTPUT_QUIET)
	if(missing)
		execute_process(COMMAND groupadd --system ssl-cert
			RESULT_VARIABLE failed)
		if(failed)
			message("-- No group ssl-cert: sstool deploy --publish needs one")
		endif()
	endif()
endif()
