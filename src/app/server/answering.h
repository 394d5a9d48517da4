#pragma once

// What the routes of the API are made of.

#include "base/json.h"
#include "base/result.h"
#include "net/router.h"

namespace millrace::server {

/// A handler that gives JSON or an Error.
template <typename Function>
net::Handler answering(const Function& function, int status = 200) {
  return [function, status](const net::Request& request) {
    const Result<Json> answer = function(request);
    return answer.ok() ? net::Response::json(*answer, status)
                       : net::Response::error(answer.error());
  };
}

}  // namespace millrace::server
