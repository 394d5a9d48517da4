#pragma once

// The routes under which runs are asked for, watched, cancelled and cleared.

#include "net/router.h"
#include "server/api.h"

namespace millrace::server {

void add_run_routes(net::Router& api, const Parts& parts);

}  // namespace millrace::server
