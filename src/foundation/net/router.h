#pragma once

// Which handler answers a request: by method and path pattern, without sockets.

#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace millrace::net {

class Router {
 public:
  /// Pattern: "/api/v1/dags/{dag_id}/runs"; a "{name}" part matches any one part. The first pattern
  /// that was added and matches wins. HEAD is answered by the handler of GET.
  void add(Method method, std::string_view pattern, Handler handler);

  /// The handler's answer; 404 when no pattern matches, 405 with Allow when one does but not for
  /// this method.
  Response operator()(const Request& request) const;

 private:
  /// "GET /ping, POST /models/{name}/invocations": for whom it had no answer.
  std::string known_routes() const;

  struct Route {
    Method method;
    std::vector<std::string> parts;
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace millrace::net
