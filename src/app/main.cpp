#include "app/cli.h"

int main(int argc, char** argv) { return latchkey::app::run(argc, argv); }
