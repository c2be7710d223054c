/// The one place that holds Quern's version; CMake, pkg-config and `quern --version` read it from here.
#pragma once

#define QUERN_VERSION_MAJOR 0
#define QUERN_VERSION_MINOR 4
#define QUERN_VERSION_PATCH 0
#define QUERN_VERSION "0.4.0"
