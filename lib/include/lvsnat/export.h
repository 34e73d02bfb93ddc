// Marks what liblvsnat and liblvsnat-capture export; everything else is hidden.
#pragma once

#define LVSNAT_EXPORT __attribute__((visibility("default")))
