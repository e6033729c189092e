# SPDX-License-Identifier: ISC
#
# What `cmake --install` puts where. Nothing is started or enabled by it, and
# build/*/install_manifest.txt lists every file, so removing them is all there
# is to an uninstallation.

foreach(lib securesockets securesockets-openssl)
	if(TARGET ${lib})
		list(APPEND SST_LIBS ${lib})
	endif()
endforeach()

if(SST_LIBS)
	include(CMakePackageConfigHelpers)
	set(SST_PACKAGE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/securesockets")
	install(TARGETS ${SST_LIBS} EXPORT securesockets
		LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
		INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
	install(EXPORT securesockets NAMESPACE securesockets::
		FILE securesocketsTargets.cmake DESTINATION "${SST_PACKAGE_DIR}")
	configure_package_config_file(
		"${CMAKE_CURRENT_LIST_DIR}/securesocketsConfig.cmake.in"
		"${PROJECT_BINARY_DIR}/securesocketsConfig.cmake"
		INSTALL_DESTINATION "${SST_PACKAGE_DIR}"
		NO_CHECK_REQUIRED_COMPONENTS_MACRO)
	write_basic_package_version_file(
		"${PROJECT_BINARY_DIR}/securesocketsConfigVersion.cmake"
		COMPATIBILITY SameMinorVersion)
	install(FILES
		"${PROJECT_BINARY_DIR}/securesocketsConfig.cmake"
		"${PROJECT_BINARY_DIR}/securesocketsConfigVersion.cmake"
		DESTINATION "${SST_PACKAGE_DIR}")
	# pcfiledir, not the prefix of configure time: `cmake --install --prefix`
	# may choose another.
	file(RELATIVE_PATH SST_PC_PREFIX
		"${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
	foreach(lib IN LISTS SST_LIBS)
		configure_file("${CMAKE_CURRENT_LIST_DIR}/${lib}.pc.in"
			"${PROJECT_BINARY_DIR}/${lib}.pc" @ONLY)
		install(FILES "${PROJECT_BINARY_DIR}/${lib}.pc"
			DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
	endforeach()
endif()

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/"
	DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")

if(TARGET securesocketsd)
	# A path below the prefix stays relative, so that DESTDIR and
	# --prefix move it with the rest.
	get_filename_component(agent_dir "${SST_AGENT_PATH}" DIRECTORY)
	cmake_path(IS_PREFIX CMAKE_INSTALL_PREFIX "${agent_dir}" NORMALIZE below)
	if(below)
		file(RELATIVE_PATH agent_dir "${CMAKE_INSTALL_PREFIX}" "${agent_dir}")
	endif()
	install(TARGETS securesocketsd RUNTIME DESTINATION "${agent_dir}")
endif()

if(TARGET sstool)
	install(TARGETS sstool RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
	install(FILES "${PROJECT_SOURCE_DIR}/tools/sstool.bash"
		DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions"
		RENAME sstool)
	install(FILES "${PROJECT_SOURCE_DIR}/tools/man/sstool.1"
		DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
	# The machine's cache service. Off until somebody enables the socket.
	configure_file("${CMAKE_CURRENT_LIST_DIR}/securesockets-cache.service.in"
		"${PROJECT_BINARY_DIR}/securesockets-cache.service" @ONLY)
	install(FILES "${PROJECT_BINARY_DIR}/securesockets-cache.service"
		"${CMAKE_CURRENT_LIST_DIR}/securesockets-cache.socket"
		DESTINATION "lib/systemd/system")
endif()
install(FILES "${PROJECT_SOURCE_DIR}/tools/man/securesockets.7"
	DESTINATION "${CMAKE_INSTALL_MANDIR}/man7")
install(FILES "${PROJECT_SOURCE_DIR}/tools/man/securesockets.conf.5"
	DESTINATION "${CMAKE_INSTALL_MANDIR}/man5")
install(FILES "${PROJECT_SOURCE_DIR}/tools/install/securesockets.sysusers"
	DESTINATION "lib/sysusers.d" RENAME securesockets.conf)
install(FILES "${PROJECT_SOURCE_DIR}/tools/install/securesockets.tmpfiles"
	DESTINATION "lib/tmpfiles.d" RENAME securesockets.conf)
install(SCRIPT "${CMAKE_CURRENT_LIST_DIR}/user.cmake")
