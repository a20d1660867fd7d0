// A public header alone: see header.c.
#include DW_TEST_HEADER

int main()
{
    return DW_API_VERSION_MAJOR < 0;
}
