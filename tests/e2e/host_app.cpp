// SPDX-License-Identifier: MIT
//
// A function app in C++, which test_host_trouble.sh runs: what perdure.h has for C only is called by
// its other name, with a '_'.
#include <perdure/app.h>
#include <stdexcept>
#include <string>

namespace
{

pd_result greet(pd_activity *a, pd_value input)
{
    std::string greeting = std::string("Hello ") + pd_text(input);
    return pd_ok_(pd_mem_of_activity(a), pd_of_text(greeting.c_str()));
}

void hello(pd_request *r)
{
    if (pd_request_query(r, "throw") != nullptr)
        throw std::runtime_error("as was asked for");
    std::string greeting = std::string("Hello ") + pd_request_parameter(r, "name");
    pd_answer_json_(r, 200, pd_of_text(greeting.c_str()));
}

const pd_function functions[] = {
    { "Greet", PD_ACTIVITY, reinterpret_cast<pd_any_fn *>(greet), nullptr },
};

const pd_route routes[] = {
    { "GET", "/hello/{name}", hello, true },
};

PD_APP(.name = "in-cpp", PD_FUNCTIONS(functions), PD_ROUTES(routes))

} // namespace
