// An orrery of brass and glass, once around in a loop: `clock` runs from 0 to 1.
// On frames 20 to 24 a comet passes, which lies in a file of its own.
#version 3.7;
#include "colors.inc"
#include "metals.inc"

global_settings { assumed_gamma 1.0 max_trace_level 6 }

#declare Night = pigment {
  gradient y
  color_map {
    [0.00 rgb <0.10, 0.05, 0.12>]
    [0.12 rgb <0.16, 0.08, 0.20>]
    [0.50 rgb <0.02, 0.03, 0.09>]
    [1.00 rgb <0.00, 0.01, 0.04>]
  }
}
sky_sphere { pigment { Night } }
fog { distance 34 rgb <0.016, 0.012, 0.045> }

camera {
  location vrotate(<0, 4.0, -11>, y * 40 * sin(clock * 2 * pi))
  look_at <0, 1.25, 0>
  right x * 4 / 3
  angle 44
}

light_source { <0, 2.1, 0> rgb <1.6, 1.25, 0.75> fade_distance 4 fade_power 2 }
light_source { <-12, 14, -10> rgb <0.35, 0.42, 0.60> }

plane {
  y, -0.9
  pigment { checker rgb <0.05, 0.06, 0.09> rgb <0.11, 0.10, 0.13> scale 1.4 }
  finish { ambient 0.02 diffuse 0.7 reflection { 0.05, 0.35 fresnel } conserve_energy }
  interior { ior 1.5 }
}

#declare Brass = texture { T_Brass_4C }

// The sun and its stand
sphere { <0, 2.1, 0>, 0.55 pigment { rgb <1.0, 0.66, 0.22> } finish { ambient 0 emission 1.5 } no_shadow }
cylinder { <0, -0.9, 0>, <0, 1.55, 0>, 0.07 texture { Brass } }
cone { <0, -0.9, 0>, 0.9, <0, -0.6, 0>, 0.16 texture { Brass } }

// A planet on its arm: distance, size, turns in one loop, where it starts
#macro Planet(Distance, Size, Turns, Start, Colour)
  union {
    cylinder { <0, 0, 0>, <Distance, 0, 0>, 0.035 texture { Brass } }
    cylinder { <Distance, 0, 0>, <Distance, 0.55, 0>, 0.03 texture { Brass } }
    sphere {
      <Distance, 0.55 + Size, 0>, Size
      pigment { Colour }
      finish { ambient 0.03 diffuse 0.75 specular 0.5 roughness 0.03 reflection 0.06 }
    }
    rotate y * -360 * (clock * Turns + Start)
    translate y * 0.25 * Turns
  }
#end

Planet(1.45, 0.17, 4, 0.10, color rgb <0.80, 0.55, 0.40>)
Planet(2.20, 0.27, 3, 0.55, color rgb <0.90, 0.80, 0.55>)
Planet(3.05, 0.30, 2, 0.80, color rgb <0.20, 0.45, 0.85>)
Planet(4.05, 0.46, 1, 0.30, color rgb <0.75, 0.35, 0.22>)

// The ring of the outermost one turns with it
torus {
  0.78, 0.06
  scale <1, 0.25, 1>
  rotate x * 18
  texture { pigment { rgb <0.85, 0.75, 0.60> } finish { ambient 0.05 diffuse 0.7 specular 0.3 } }
  translate <4.05, 1.01, 0>
  rotate y * -360 * (clock + 0.30)
  translate y * 0.25
}

#if (frame_number >= 20 & frame_number <= 24)
  #include "comet.inc"
  object { Comet translate <4.4 - 2.2 * (frame_number - 20), 3.4 - 0.2 * (frame_number - 20), 1.5> }
#end
