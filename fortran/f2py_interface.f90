! The flat face of the kernel that f2py compiles: explicit shapes, double precision, one status code.
! Nothing is computed here; ctsm_socnn.model is the only caller.

!> The vertical grid: node depths, thicknesses and interface depths (m).
subroutine grid(node, thickness, interface_bottom)
   use soil_grid, only: node_depth, layer_thickness, interface_depth, n_layers
   implicit none
   double precision, intent(out) :: node(20), thickness(20), interface_bottom(21)

   node = node_depth(1:n_layers)
   thickness = layer_thickness
   interface_bottom = interface_depth(0:n_layers)
end subroutine grid
