!> Laplace approximation: the mode of a density, its curvature there, and draws from the resulting normal distribution.
!>
!> Everything is computed in probits of the prior (prior_probits), where the prior is standard normal: directions that
!> the data do not constrain are exact. The mode is that of the density of the probits. Curvature comes from central
!> differences of the exact gradient.
module laplace
   use, intrinsic :: ieee_arithmetic, only: ieee_is_finite
   use kinds, only: dp, lanes
   use prior_probits, only: largest_probit, prior
   use random_numbers, only: generator
   use target_density, only: density
   implicit none (type, external)
   private

   public :: approximate

   !> Of differences on the way to the mode, and of those that tell the curvature of the whole: the water scalar has
   !> kinks where it reaches its cap, and close by each of them looks like a peak.
   real(dp), parameter :: short_step = 1.0e-4_dp, wide_step = 0.03_dp
   integer, parameter :: most_steps = 60
   !> Newton's decrement at which the mode counts as found: the energy left to gain.
   real(dp), parameter :: small_decrement = 1.0e-5_dp
   !> Least curvature, as a share of the prior's: a ridge that is flatter or bends away is cut off here.
   real(dp), parameter :: least_curvature = 0.5_dp

contains

   !> Find the mode from the best of several starting points, then draw. `target` is the likelihood alone.
   subroutine approximate(target, assumed, stream, points, mode, found, draws, costs, gradients)
      class(density), intent(inout) :: target
      type(prior), intent(in) :: assumed
      type(generator), intent(inout) :: stream
      real(dp), intent(in) :: points(:, :)      !< (dimension, start), within (0, 1)
      real(dp), intent(out) :: mode(:)          !< in the unit cube
      logical, intent(out) :: found             !< whether the search has ended at the mode
      real(dp), intent(out) :: draws(:, :)      !< (dimension, draw), in the unit cube
      real(dp), intent(out) :: costs(:)         !< negative log of likelihood and prior at each draw
      integer, intent(out) :: gradients
      real(dp) :: probit(size(mode)), hessian(size(mode), size(mode)), factor(size(mode), size(mode))
      real(dp) :: decrement, energy, gradient(size(mode))
      logical :: positive

      gradients = 0
      call best_start(target, assumed, points, probit)
      call descend(target, assumed, probit, decrement, gradients)
      mode = assumed%place(probit)
      call differentiate(target, assumed, probit, wide_step, energy, gradient, hessian)
      gradients = gradients + 1 + 2*size(probit)
      call factor_of_least_damping(hessian, factor, positive)
      found = positive .and. decrement < small_decrement
      call draw_normal(target, assumed, stream, probit, factor, draws, costs)
   end subroutine approximate

   !> Probits of the best of several points.
   subroutine best_start(target, assumed, points, probit)
      class(density), intent(inout) :: target
      type(prior), intent(in) :: assumed
      real(dp), intent(in) :: points(:, :)
      real(dp), intent(out) :: probit(:)
      real(dp) :: cost(size(points, 2))

      call target%evaluate(points, cost)
      probit = assumed%probit(points(:, minloc(cost, dim=1)))
   end subroutine best_start

   !> Newton's method; every step tries one damping a vector lane and takes the best.
   subroutine descend(target, assumed, probit, decrement, gradients)
      class(density), intent(inout) :: target
      type(prior), intent(in) :: assumed
      real(dp), intent(inout) :: probit(:)
      real(dp), intent(out) :: decrement
      integer, intent(inout) :: gradients
      real(dp) :: hessian(size(probit), size(probit)), gradient(size(probit))
      real(dp) :: proposal(size(probit), lanes), energy(lanes), damping(lanes), least, chosen
      integer :: step, lane

      chosen = 1.0_dp
      do step = 1, most_steps
         call differentiate(target, assumed, probit, short_step, least, gradient, hessian)
         gradients = gradients + 1 + 2*size(probit)
         decrement = newton_decrement(hessian, gradient)
         if (decrement < small_decrement) return
         damping = [0.0_dp, (chosen*10.0_dp**(lane - 4), lane=2, lanes)]
         do lane = 1, lanes
            call damped_step(hessian, gradient, damping(lane), proposal(:, lane))
            proposal(:, lane) = max(-largest_probit, min(largest_probit, probit + proposal(:, lane)))
         end do
         call energies(target, assumed, proposal, energy)
         gradients = gradients + lanes
         lane = minloc(energy, dim=1)
         if (.not. energy(lane) < least) then
            chosen = 1.0e3_dp*chosen
            if (chosen > 1.0e9_dp) return
            cycle
         end if
         probit = proposal(:, lane)
         if (lane > 1) chosen = max(1.0e-6_dp, damping(lane))
      end do
   end subroutine descend

   !> Negative log density of the probits at each point.
   subroutine energies(target, assumed, probit, energy, gradient)
      class(density), intent(inout) :: target
      type(prior), intent(in) :: assumed
      real(dp), intent(in) :: probit(:, :)
      real(dp), intent(out) :: energy(:)
      real(dp), intent(out), optional :: gradient(:, :)
      real(dp) :: unit(size(probit, 1), size(probit, 2))
      integer :: i

      do i = 1, size(energy)
         unit(:, i) = assumed%place(probit(:, i))
      end do
      call target%evaluate(unit, energy, gradient)
      energy = energy + 0.5_dp*sum(probit**2, dim=1)
      where (.not. ieee_is_finite(energy)) energy = huge(energy)
      if (.not. present(gradient)) return
      do i = 1, size(energy)
         gradient(:, i) = gradient(:, i)*assumed%slope(probit(:, i), unit(:, i)) + probit(:, i)
      end do
      where (.not. ieee_is_finite(gradient)) gradient = 0.0_dp
   end subroutine energies

   subroutine differentiate(target, assumed, probit, step, energy, gradient, hessian)
      class(density), intent(inout) :: target
      type(prior), intent(in) :: assumed
      real(dp), intent(in) :: probit(:), step
      real(dp), intent(out) :: energy, gradient(:), hessian(:, :)
      real(dp) :: around(size(probit), 0:2*size(probit)), slope(size(probit), 0:2*size(probit))
      real(dp) :: energy_around(0:2*size(probit))
      integer :: j, n

      n = size(probit)
      around = spread(probit, 2, 2*n + 1)
      do j = 1, n
         around(j, j) = probit(j) + step
         around(j, n + j) = probit(j) - step
      end do
      call energies(target, assumed, around, energy_around, slope)
      energy = energy_around(0)
      gradient = slope(:, 0)
      hessian = (slope(:, 1:n) - slope(:, n + 1:))/(2.0_dp*step)
      hessian = 0.5_dp*(hessian + transpose(hessian))
   end subroutine differentiate

   !> Half of g' H^-1 g with the least damping that makes H positive definite.
   pure function newton_decrement(hessian, gradient) result(decrement)
      real(dp), intent(in) :: hessian(:, :), gradient(:)
      real(dp) :: decrement
      real(dp) :: factor(size(gradient), size(gradient)), step(size(gradient))
      logical :: positive

      call factor_of_least_damping(hessian, factor, positive)
      if (.not. positive) then
         decrement = huge(decrement)
      else
         call solve(factor, gradient, step)
         decrement = 0.5_dp*sum(gradient*step)
      end if
   end function newton_decrement

   !> Step to the minimum of the damped quadratic; along the slope where that has none.
   pure subroutine damped_step(hessian, gradient, damping, step)
      real(dp), intent(in) :: hessian(:, :), gradient(:), damping
      real(dp), intent(out) :: step(:)
      real(dp) :: factor(size(gradient), size(gradient))
      logical :: positive

      call damped_factor(hessian, damping, factor, positive)
      if (positive) then
         call solve(factor, -gradient, step)
      else
         step = -gradient/(1.0_dp + damping + norm2(gradient))
      end if
   end subroutine damped_step

   !> Factor of the Hessian, damped until no direction is flatter than `least_curvature`.
   pure subroutine factor_of_least_damping(hessian, factor, positive)
      real(dp), intent(in) :: hessian(:, :)
      real(dp), intent(out) :: factor(:, :)
      logical, intent(out) :: positive
      real(dp) :: damping

      damping = 0.0_dp
      do
         call damped_factor(hessian, damping - least_curvature, factor, positive)
         if (positive .or. damping > 1.0e6_dp) exit
         damping = max(0.1_dp, 2.0_dp*damping)
      end do
      if (positive) call damped_factor(hessian, damping, factor, positive)
   end subroutine factor_of_least_damping

   !> Lower Cholesky factor of hessian + damping I, if that is positive definite.
   pure subroutine damped_factor(hessian, damping, factor, positive)
      real(dp), intent(in) :: hessian(:, :), damping
      real(dp), intent(out) :: factor(:, :)
      logical, intent(out) :: positive
      integer :: j, k, n

      n = size(hessian, 1)
      factor = 0.0_dp
      positive = .false.
      do j = 1, n
         factor(j:, j) = hessian(j:, j)
         factor(j, j) = factor(j, j) + damping
         do k = 1, j - 1
            factor(j:, j) = factor(j:, j) - factor(j, k)*factor(j:, k)
         end do
         if (.not. factor(j, j) > 0.0_dp) return
         factor(j:, j) = factor(j:, j)/sqrt(factor(j, j))
      end do
      positive = .true.
   end subroutine damped_factor

   !> x with L L' x = b.
   pure subroutine solve(factor, b, x)
      real(dp), intent(in) :: factor(:, :), b(:)
      real(dp), intent(out) :: x(:)
      integer :: j

      do j = 1, size(b)
         x(j) = (b(j) - sum(factor(j, :j - 1)*x(:j - 1)))/factor(j, j)
      end do
      call solve_transposed(factor, x)
   end subroutine solve

   !> x with L' x = b, in place.
   pure subroutine solve_transposed(factor, x)
      real(dp), intent(in) :: factor(:, :)
      real(dp), intent(inout) :: x(:)
      integer :: j

      do j = size(x), 1, -1
         x(j) = (x(j) - sum(factor(j + 1:, j)*x(j + 1:)))/factor(j, j)
      end do
   end subroutine solve_transposed

   subroutine draw_normal(target, assumed, stream, centre, factor, draws, costs)
      class(density), intent(inout) :: target
      type(prior), intent(in) :: assumed
      type(generator), intent(inout) :: stream
      real(dp), intent(in) :: centre(:), factor(:, :)
      real(dp), intent(out) :: draws(:, :), costs(:)
      real(dp) :: probit(size(centre))
      integer :: draw, j

      do draw = 1, size(costs)
         do j = 1, size(centre)
            call stream%normal(probit(j))
         end do
         call solve_transposed(factor, probit)
         draws(:, draw) = assumed%place(max(-largest_probit, min(largest_probit, centre + probit)))
      end do
      call target%evaluate(draws, costs)
      do draw = 1, size(costs)
         costs(draw) = costs(draw) + 0.5_dp*sum(assumed%precision*(draws(:, draw) - assumed%centre)**2)
      end do
   end subroutine draw_normal

end module laplace
