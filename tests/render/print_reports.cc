// Prints the reports made by hand as JSON, one a line, for the schema test.
#include <iostream>

#include "lvsnat/render.h"
#include "reports.h"

int main() {
  using namespace lvsnat;
  for (const Report& report : {test::healthy_report(), test::redirect_report(), test::wrong_gateway_report(),
                               test::no_traffic_report(), test::one_side_report(), test::hostile_report(), Report{}}) {
    std::cout << render_json(report, {{"10.1.1.2", "rs1.example"}}, -1);
  }
}
