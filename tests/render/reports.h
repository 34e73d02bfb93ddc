// Reports made by hand, as the analyzer would make them of a small cluster: VIP 192.168.1.110:80, real servers 10.1.1.2 and
// 10.1.1.3, director 10.1.1.9, client 192.168.1.254.
#pragma once

#include "lvsnat/report.h"

namespace lvsnat::test {

Report healthy_report();
/// Two connections begin well, then the director tells the real server to go straight to the client.
Report redirect_report();
/// One of two real servers has another router as default gateway.
Report wrong_gateway_report();
Report no_traffic_report();
/// Only the clients' side was captured.
Report one_side_report();
/// Every string holds what must never reach a terminal or break a format.
Report hostile_report();

}  // namespace lvsnat::test
