!> Monotone piecewise cubic interpolation between the layer nodes (Fritsch and Butland 1984), as the
!> published assimilation uses it: beyond the end nodes the end polynomials are extrapolated, as in MATLAB.
!>
!> Where carbon falls by orders of magnitude from node to node, the value just above the lower one is a small difference
!> of large numbers: the operations are in the order of the published code's (SLATEC's PCHIM, then Horner's scheme in
!> the distance to the node above), so that even its rounding is reproduced.
module pchip
   use kinds, only: dp
   use soil_grid, only: n_layers, node_at => decimal_node_depth
   implicit none (type, external)
   private

   public :: bracketing_node, interpolate, interpolate_adjoint

   !> Distance between nodes j and j+1 (m).
   real(dp), parameter :: spacing(n_layers - 1) = node_at(2:n_layers) - node_at(1:n_layers - 1)
   !> Distance between the neighbours of an inner node j = 2..19 (stored at j - 1).
   real(dp), parameter :: around(n_layers - 2) = spacing(1:n_layers - 2) + spacing(2:n_layers - 1)
   !> Weights of the two secants in the slope at an inner node.
   real(dp), parameter :: weight_above(n_layers - 2) = (around + spacing(1:n_layers - 2))/(around + around + around)
   real(dp), parameter :: weight_below(n_layers - 2) = (around + spacing(2:n_layers - 1))/(around + around + around)

contains

   !> The interval (node j to j+1) whose polynomial serves a depth (m).
   elemental function bracketing_node(depth) result(node)
      real(dp), intent(in) :: depth
      integer :: node

      do node = n_layers - 1, 2, -1
         if (depth >= node_at(node)) return
      end do
   end function bracketing_node

   !> Values at depths (m), from values at the nodes; `node` is the bracketing node of each depth.
   pure subroutine interpolate(profile, node, depth, values)
      real(dp), intent(in) :: profile(n_layers)
      integer, intent(in) :: node(:)
      real(dp), intent(in) :: depth(:)
      real(dp), intent(out) :: values(:)
      real(dp) :: secant(n_layers - 1), slope_above, bend_above, bend_below, distance
      integer :: i, j

      secant = (profile(2:n_layers) - profile(1:n_layers - 1))/spacing
      do i = 1, size(depth)
         j = node(i)
         distance = depth(i) - node_at(j)
         slope_above = slope(secant, j)
         bend_above = (slope_above - secant(j))/spacing(j)
         bend_below = (slope(secant, j + 1) - secant(j))/spacing(j)
         values(i) = (((bend_above + bend_below)/spacing(j)*distance + (-(bend_above + bend_below) - bend_above)) &
            *distance + slope_above)*distance + profile(j)
      end do
   end subroutine interpolate

   !> Gradient by node of a scalar whose gradient by interpolated value is `values_bar`.
   pure subroutine interpolate_adjoint(profile, node, depth, values_bar, profile_bar)
      real(dp), intent(in) :: profile(n_layers)
      integer, intent(in) :: node(:)
      real(dp), intent(in) :: depth(:)
      real(dp), intent(in) :: values_bar(:)
      real(dp), intent(out) :: profile_bar(n_layers)
      real(dp) :: secant(n_layers - 1), secant_bar(n_layers - 1), basis(4)
      integer :: i, j

      secant = (profile(2:n_layers) - profile(1:n_layers - 1))/spacing
      secant_bar = 0.0_dp
      profile_bar = 0.0_dp
      do i = 1, size(depth)
         j = node(i)
         basis = values_bar(i)*hermite_basis(j, depth(i))
         profile_bar(j) = profile_bar(j) + basis(1)
         profile_bar(j + 1) = profile_bar(j + 1) + basis(2)
         call slope_adjoint(secant, j, basis(3), secant_bar)
         call slope_adjoint(secant, j + 1, basis(4), secant_bar)
      end do
      secant_bar = secant_bar/spacing
      profile_bar(2:n_layers) = profile_bar(2:n_layers) + secant_bar
      profile_bar(1:n_layers - 1) = profile_bar(1:n_layers - 1) - secant_bar
   end subroutine interpolate_adjoint

   !> Cubic Hermite weights of the two values and the two slopes around a depth.
   pure function hermite_basis(node, depth) result(basis)
      integer, intent(in) :: node
      real(dp), intent(in) :: depth
      real(dp) :: basis(4)
      real(dp) :: h, t

      h = spacing(node)
      t = (depth - node_at(node))/h
      basis(2) = t*t*(3.0_dp - 2.0_dp*t)
      basis(1) = 1.0_dp - basis(2)
      basis(3) = h*t*(1.0_dp - t)**2
      basis(4) = -h*t*t*(1.0_dp - t)
   end function hermite_basis

   !> Slope of the interpolant at a node: a weighted harmonic mean of the secants on both sides, zero at
   !> an extremum; three-point formulas that keep the shape at the ends.
   pure function slope(secant, node) result(derivative)
      real(dp), intent(in) :: secant(n_layers - 1)
      integer, intent(in) :: node
      real(dp) :: derivative

      if (node == 1) then
         derivative = end_slope(spacing(1), spacing(2), secant(1), secant(2))
      else if (node == n_layers) then
         derivative = end_slope(spacing(n_layers - 1), spacing(n_layers - 2), &
            secant(n_layers - 1), secant(n_layers - 2))
      else if (same_direction(secant(node - 1), secant(node))) then
         derivative = harmonic_mean(weight_above(node - 1), secant(node - 1), weight_below(node - 1), secant(node))
      else
         derivative = 0.0_dp
      end if
   end function slope

   !> Weighted harmonic mean of two numbers of one sign; of their ratios, so that none overflows.
   pure function harmonic_mean(weight_first, first, weight_second, second) result(mean)
      real(dp), intent(in) :: weight_first, first, weight_second, second
      real(dp) :: mean, larger

      larger = max(abs(first), abs(second))
      mean = min(abs(first), abs(second))/(weight_first*(first/larger) + weight_second*(second/larger))
   end function harmonic_mean

   pure subroutine slope_adjoint(secant, node, derivative_bar, secant_bar)
      real(dp), intent(in) :: secant(n_layers - 1)
      integer, intent(in) :: node
      real(dp), intent(in) :: derivative_bar
      real(dp), intent(inout) :: secant_bar(n_layers - 1)
      real(dp) :: partial(2), denominator

      if (node == 1) then
         partial = end_slope_partials(spacing(1), spacing(2), secant(1), secant(2))
         secant_bar(1:2) = secant_bar(1:2) + derivative_bar*partial
      else if (node == n_layers) then
         partial = end_slope_partials(spacing(n_layers - 1), spacing(n_layers - 2), &
            secant(n_layers - 1), secant(n_layers - 2))
         secant_bar(n_layers - 1) = secant_bar(n_layers - 1) + derivative_bar*partial(1)
         secant_bar(n_layers - 2) = secant_bar(n_layers - 2) + derivative_bar*partial(2)
      else if (same_direction(secant(node - 1), secant(node))) then
         denominator = weight_above(node - 1)*secant(node - 1) + weight_below(node - 1)*secant(node)
         secant_bar(node - 1) = secant_bar(node - 1) &
            + derivative_bar*weight_below(node - 1)*(secant(node)/denominator)**2
         secant_bar(node) = secant_bar(node) &
            + derivative_bar*weight_above(node - 1)*(secant(node - 1)/denominator)**2
      end if
   end subroutine slope_adjoint

   !> Whether both rise or both fall; a product would underflow where carbon is next to nothing.
   pure logical function same_direction(first, second)
      real(dp), intent(in) :: first, second

      same_direction = (first > 0.0_dp .and. second > 0.0_dp) .or. (first < 0.0_dp .and. second < 0.0_dp)
   end function same_direction

   pure function end_slope(h_end, h_next, secant_end, secant_next) result(derivative)
      real(dp), intent(in) :: h_end, h_next, secant_end, secant_next
      real(dp) :: derivative

      derivative = three_point(h_end, h_next, secant_end, secant_next)
      if (.not. same_direction(derivative, secant_end)) then
         derivative = 0.0_dp
      else if (.not. same_direction(secant_end, secant_next) .and. abs(derivative) > 3.0_dp*abs(secant_end)) then
         derivative = 3.0_dp*secant_end
      end if
   end function end_slope

   !> Derivatives of `end_slope` by its two secants.
   pure function end_slope_partials(h_end, h_next, secant_end, secant_next) result(partial)
      real(dp), intent(in) :: h_end, h_next, secant_end, secant_next
      real(dp) :: partial(2)
      real(dp) :: derivative

      derivative = three_point(h_end, h_next, secant_end, secant_next)
      partial = end_weights(h_end, h_next)
      if (.not. same_direction(derivative, secant_end)) then
         partial = 0.0_dp
      else if (.not. same_direction(secant_end, secant_next) .and. abs(derivative) > 3.0_dp*abs(secant_end)) then
         partial = [3.0_dp, 0.0_dp]
      end if
   end function end_slope_partials

   pure function three_point(h_end, h_next, secant_end, secant_next) result(derivative)
      real(dp), intent(in) :: h_end, h_next, secant_end, secant_next
      real(dp) :: derivative, weight(2)

      weight = end_weights(h_end, h_next)
      derivative = weight(1)*secant_end + weight(2)*secant_next
   end function three_point

   pure function end_weights(h_end, h_next) result(weight)
      real(dp), intent(in) :: h_end, h_next
      real(dp) :: weight(2)

      weight = [h_end + (h_end + h_next), -h_end]/(h_end + h_next)
   end function end_weights

end module pchip
